"""False alarms and figures of a model, over small drawn sets and a model that is known."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import default_bundle
from default_bundle import alarm_figures, clean_images, crops_of, false_alarms, measure, parse, together
from flawscope.data.open import open_dataset
from flawscope.types import ClassInfo, Prediction


class Dark:
    """Finds whatever is darker than 100: exact on the drawn sets."""

    classes = (ClassInfo(1, "crack"),)

    def predict(self, image: Any) -> Prediction:
        found = image[..., 0] < 100
        return Prediction(found.astype(np.uint8), found[None].astype(np.float32), (1,))


def draw(folder: Path, name: str, *, line: bool, blot: bool = False) -> None:
    """A picture 320 x 170 with a dark line at its left (labelled) and perhaps a blot at its right (not)."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    image, mask = np.full((170, 320, 3), 180, np.uint8), np.zeros((170, 320), np.uint8)
    if line:
        image[20:150, 20:24], mask[20:150, 20:24] = 30, 255
    if blot:
        image[80:90, 300:310] = 20
    Image.fromarray(image).save(folder / "images" / f"{name}.png")
    Image.fromarray(mask).save(folder / "masks" / f"{name}.png")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The four sets, of two pictures each."""
    for name in ("cfd", "crack_sc", "masonry", "kolektor_sdd"):
        draw(tmp_path / name, "a", line=True)
        draw(tmp_path / name, "b", line=name != "kolektor_sdd", blot=True)
        text = '{"schema": 1, "parts": {"train": ["a"], "test": ["b"]}}'
        (tmp_path / name / "split.json").write_text(text, encoding="utf-8")
    return tmp_path


def test_crops_show_the_clean_side_and_only_wrong_ones_are_counted(data: Path) -> None:
    dataset = open_dataset(data / "cfd")
    crops = list(crops_of(dataset))
    assert [name for name, _ in crops] == ["a@0,36", "b@0,36"]
    assert all(image.shape == (160, 160, 3) for _, image in crops)
    found = false_alarms(Dark(), crops)  # type: ignore[arg-type]
    assert found == {"images": 2, "image_fp": 0, "image_fp_rate": 0.0, "wrong": []}


def test_only_images_with_an_empty_mask_are_clean(data: Path) -> None:
    found = false_alarms(Dark(), clean_images(open_dataset(data / "kolektor_sdd")))  # type: ignore[arg-type]
    assert found == {"images": 1, "image_fp": 1, "image_fp_rate": 1.0, "wrong": ["b"]}


def test_sets_are_put_together() -> None:
    found = together({"x": alarm_figures(3, ["a"]), "y": alarm_figures(1, []), "z": alarm_figures(0, [])})
    assert found == {"images": 4, "image_fp": 1, "image_fp_rate": 0.25, "wrong": ["x/a"]}
    assert alarm_figures(0, [])["image_fp_rate"] is None


@pytest.mark.parametrize("choosing", [False, True])
def test_report_and_choice_look_at_their_own_parts(
    data: Path, choosing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default_bundle, "make_inspector", lambda _: Dark())
    monkeypatch.setattr(default_bundle, "model_facts", lambda _: {})
    words = ["--data", str(data), "--json", str(data / "result.json"), "--part-names"]
    figures = measure(parse([*words, "--train-parts"] if choosing else words))
    assert (data / "result.json").is_file()
    names = {name: row["names"] for name, row in figures["sets"].items()}
    if choosing:
        assert names == {"crack_sc": ["a"], "masonry": ["a"]}
        assert figures["clean_crops_all"]["images"] == 2
        assert "kolektor_clean" not in figures
    else:
        assert names == {"cfd": ["a", "b"], "crack_sc": ["b"], "masonry": ["b"]}
        assert figures["sets"]["cfd"]["f1_tol2_pooled"] < figures["sets"]["cfd"]["recall_pooled"] == 1
        assert figures["clean_crops_all"]["images"] == 6
        assert figures["clean_all"]["wrong"] == ["kolektor_sdd/b"]


def test_a_run_folder_or_a_bundle_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Path] = []

    def load(path: Path) -> Any:
        seen.append(path)
        return SimpleNamespace(classes=Dark.classes)

    monkeypatch.setattr("flawscope.bundle.Bundle.load", load)
    monkeypatch.setattr("flawscope.inspection.inspector.Inspector", lambda bundle, **rest: rest)
    (tmp_path / "run" / "bundle").mkdir(parents=True)
    for model in (tmp_path / "run", tmp_path / "x.flawscope"):
        options = Namespace(
            model=model, tta=True, working_scale="1,0.5", fusion="max", threshold=0.3, min_area=None
        )
        rest: Any = default_bundle.make_inspector(options)
        assert rest["thresholds"] == {"crack": 0.3} and rest["min_area_px"] is None
        assert rest["options"].flip_tta and rest["options"].scales == (1.0, 0.5)
    assert seen == [tmp_path / "run" / "bundle", tmp_path / "x.flawscope"]


def test_enough_crops_in_the_real_sets(data_root: Path) -> None:
    counts = {}
    for name in ("crack_sc", "masonry", "cfd"):
        masks = (sample.mask for sample in open_dataset(data_root / name).samples)
        counts[name] = sum(len(default_bundle.clean_corners(mask)) for mask in masks if mask is not None)
    assert sum(counts.values()) >= default_bundle.LEAST_CROPS and min(counts.values()) > 50
