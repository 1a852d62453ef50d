"""What the bundled model says of itself: its card, the rules behind its numbers, what it was measured on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import choose_default
import describe_default
from flawscope.bundle import Bundle, zip_bundle
from flawscope.inspection.default_model import default_bundle_path
from inspection.toy_networks import dark_bundle


def test_the_card_in_the_bundle_is_the_one_beside_it() -> None:
    path = default_bundle_path()
    text = (path.parent / "README.md").read_text(encoding="utf-8")
    with Bundle.load(path) as bundle:
        card = (bundle.root / describe_default.CARD).read_text(encoding="utf-8")
        threshold = bundle.threshold("crack")
        seam = bundle.manifest.seam_difference
    assert card == describe_default.card_of(text)
    for told in ("must not be used", "CFD", "CrackSC", "masonry", "kolektor", f"{threshold:g}".lstrip("0")):
        assert told in card
    assert seam is not None and f"{seam:.2f}".lstrip("0") in card
    assert "samples/" not in card
    assert path.stat().st_size <= 20e6


def test_the_bundled_model_names_rule_and_data_of_every_number() -> None:
    with Bundle.load(default_bundle_path()) as bundle:
        manifest = bundle.manifest
    chosen = {"threshold": bundle.threshold("crack"), "min_area_px": bundle.min_area_px("crack")}
    rules = choose_default.rules(chosen, 0.2)
    for key, one in rules.items():
        assert getattr(manifest, key) == {"crack": one}
        assert one.rule and one.data
    assert "train parts" in manifest.differences_data
    assert manifest.parity_difference is not None and manifest.parity_difference <= 1e-4


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Sets with the names of the real ones, two pictures each, all in ``train``."""
    folder = tmp_path / "data"
    rng = np.random.default_rng(0)
    for name in choose_default.SETS:
        (folder / name / "images").mkdir(parents=True)
        (folder / name / "masks").mkdir()
        for stem in ("a", "b"):
            pixels = rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / "images" / f"{stem}.png")
            Image.fromarray(np.zeros((40, 50), np.uint8)).save(folder / name / "masks" / f"{stem}.png")
        (folder / name / "split.json").write_text('{"schema": 1, "parts": {"train": ["a", "b"]}}')
    return folder


def test_describing_changes_words_and_no_network(tmp_path: Path) -> None:
    before = dark_bundle(tmp_path / "b").manifest
    path = zip_bundle(tmp_path / "b", tmp_path / "b.flawscope")
    shutil.rmtree(tmp_path / "b")
    part = {"images": 2, "parity_difference": 1e-6, "seam_difference": 0.1}
    figures = {"crack_sc": part, "masonry": {**part, "seam_difference": 0.2}}
    for text in ("# One\n", "# Two\n"):
        describe_default.describe(path, figures, text)
    choose_default.write_choice(path, {"threshold": 0.2, "min_area_px": 80}, 0.2)
    with Bundle.load(path) as bundle:
        after = bundle.manifest
        assert (bundle.root / describe_default.CARD).read_text(encoding="utf-8") == "# Two\n"
    assert {name: value for name, value in after.sha256.items() if name != "card.md"} == before.sha256
    assert (after.parity_difference, after.seam_difference) == (1e-6, 0.2)
    assert after.differences_data.startswith("photographs of the train parts: 2 of crack_sc and 2 of masonry")
    assert after.thresholds["crack"].value == 0.2
    assert "80 px" in after.thresholds["crack"].rule


def test_differences_are_measured_on_train_parts(data: Path) -> None:
    pytest.importorskip("torch")
    options = describe_default.parse(["--data", str(data), "--every", "2"])
    figures = describe_default.measure(options)
    assert set(figures) == set(choose_default.SETS)
    for part in figures.values():
        assert part["images"] == 1
        assert 0 <= part["parity_difference"] <= 1e-4
        assert 0 < part["seam_difference"] < 1
