"""What the drawings of thresholds show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from flawscope.evaluation import plots
from flawscope.evaluation.connectivity import ConnectivitySearch


def drawn(monkeypatch: pytest.MonkeyPatch, cracks: list[float]) -> Figure:
    """Figure 7 of images with a crack each, whole up to its probability."""
    search, kept = ConnectivitySearch(["crack"]), []
    for value in cracks:
        plane = np.zeros((8, 8), np.float32)
        plane[3, 1:7] = value
        search.add("", [plane], [(plane > 0).astype(np.uint8)])
    monkeypatch.setattr(plots, "save_plot", lambda plot, _: kept.append(plot))
    plots.draw_connectivity(Path("unused.png"), search.choose())
    return kept[0]


@pytest.mark.parametrize("cracks", [[0.6, 0.7, 0.72], [0.6, 0.7, 0.95], [0.6, 0.7] + [0.97] * 5])
def test_images_are_counted_in_whole_numbers_from_0(
    monkeypatch: pytest.MonkeyPatch, cracks: list[float]
) -> None:
    figure = drawn(monkeypatch, cracks)
    for axes in figure.axes:
        low, high = axes.get_ylim()
        assert low == 0 and high >= 1
        ticks = axes.get_yticks()
        assert np.array_equal(ticks, np.round(ticks)) and len(ticks) > 1


def test_that_none_is_above_the_high_threshold_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for cracks, said in (([0.6, 0.7], ["none"]), ([0.6, 0.95], [])):
        _, right = drawn(monkeypatch, cracks).axes
        assert [text.get_text() for text in right.texts] == said
