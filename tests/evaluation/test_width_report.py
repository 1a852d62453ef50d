"""How much too wide a model marks lines: measured, written into its bundle, and taken off by inspection."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from flawscope.bundle import Bundle
from flawscope.cli.app import main
from flawscope.data.dataset import Dataset
from flawscope.errors import DataError, UsageError
from flawscope.evaluation.evaluate import EvaluateOptions
from flawscope.evaluation.thresholds import choose_threshold
from flawscope.evaluation.width_report import LEVELS, WidthReport
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.run import RunSettings, inspect_folder
from flawscope.manifest import ClassSpec, InputSpec
from flawscope.types import ClassInfo
from inspection.toy_networks import PLAIN, dark_bundle

from .toys import CRACK, Dark, sample

RIM_PX = 4  # an even rim, so that half the size shows it exactly
SPEC_HALF = InputSpec(
    mode="resize", factor=0.5, stride_multiple=8, halo_px=16, blend_px=8, mean=(0.0,) * 3, std=(1.0,) * 3
)


def barred(width_px: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright picture with a dark bar, and a mask that is narrower by the rim."""
    image = np.full((96, 200, 3), 240, np.uint8)
    mask = np.zeros((96, 200), np.uint8)
    mask[40 : 40 + width_px, 20:180] = 1
    image[40 - RIM_PX // 2 : 40 + width_px + RIM_PX // 2, 20:180] = 10
    return image, mask


def bars(widths: tuple[int, ...] = (4, 6, 12), classes: tuple[ClassInfo, ...] = CRACK) -> Dataset:
    samples = tuple(sample(f"w{width}", *barred(width)) for width in widths)
    return Dataset(Path("bars"), "none", classes, "segmentation", samples, None, classes_named=True)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return dark_bundle(tmp_path / "dark")


def test_the_rim_is_found_at_every_threshold(bundle: Bundle) -> None:
    report = choose_threshold(bundle, bars(), method="widths")
    assert isinstance(report, WidthReport)
    (choice,) = report.choices
    assert choice.errors.thresholds == LEVELS and choice.threshold == 0.5
    assert choice.errors.bias_px == pytest.approx([RIM_PX] * len(LEVELS), abs=0.1)
    assert max(choice.errors.u_px) < 0.2 and choice.errors.points > 300
    assert list(choice.bands) == ["2-5", "5-10", "from 10"]
    assert all(bias == pytest.approx(RIM_PX, abs=0.15) for _, bias in choice.bands.values())


def test_from_images_to_the_bundle_to_true_widths(bundle: Bundle, tmp_path: Path) -> None:
    report = choose_threshold(bundle, bars(), method="widths")
    report.write(tmp_path / "out")
    content = json.loads((tmp_path / "out" / "thresholds.json").read_text(encoding="utf-8"))
    assert content["method"] == "widths"
    assert content["classes"]["crack"]["bias_px"] == pytest.approx(RIM_PX, abs=0.1)
    assert (tmp_path / "out" / "thresholds.png").stat().st_size > 1000
    assert any("px wider than the truth" in line for line in report.lines())
    image, _ = barred(8)
    before = Inspector(bundle).inspect(image).findings[0]
    told = report.apply(bundle)
    after = Inspector(Bundle.load(told.source)).inspect(image).findings[0]
    assert before.width_mean_px == pytest.approx(8 + RIM_PX, abs=0.15)
    assert after.width_mean_px == pytest.approx(8, abs=0.15)
    assert (after.length_px, after.area_px) == (before.length_px, before.area_px)
    assert told.manifest.thresholds == bundle.manifest.thresholds
    again = choose_threshold(told, bars(), method="widths")
    assert again.class_dicts() == report.class_dicts(), "what was written does not change what is measured"


def test_the_record_of_a_run_tells_what_was_taken_off(bundle: Bundle, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "photos").mkdir()
    Image.fromarray(barred(8)[0]).save(tmp_path / "photos" / "a.png")
    told = choose_threshold(bundle, bars(), method="widths").apply(bundle)
    inspect_folder(Inspector(told), RunSettings((tmp_path / "photos",), tmp_path / "out"))
    facts = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))["width_errors"]["crack"]
    assert facts["network_bias_px"] == pytest.approx(RIM_PX, abs=0.1) and facts["data"] == "bars, part all"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "taken off" in page
    assert "Areas and shares of the surface stay those of the mask" in page


def test_a_network_that_sees_half_the_size_has_half_the_rim(tmp_path: Path) -> None:
    half = dark_bundle(tmp_path / "half", input=SPEC_HALF)
    report = choose_threshold(half, bars((8, 12, 16)), method="widths")
    assert isinstance(report, WidthReport)
    assert report.choices[0].bias_px == pytest.approx(RIM_PX / 2, abs=0.2)
    found = Inspector(report.apply(half)).inspect(barred(10)[0]).findings[0]
    assert found.width_mean_px == pytest.approx(10, abs=0.3)


def test_at_a_working_scale_the_rim_grows_with_it(bundle: Bundle) -> None:
    half = EvaluateOptions(predict=PredictOptions(scales=(0.5,)))
    report = choose_threshold(bundle, bars((8, 12, 16)), method="widths", options=half)
    assert isinstance(report, WidthReport)
    assert report.choices[0].bias_px == pytest.approx(RIM_PX / 2, abs=0.2)
    for scales in ("auto", (1.0, 0.5)):
        several = EvaluateOptions(predict=PredictOptions(scales=scales, fusion="mean"))  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="one working scale"):
            choose_threshold(bundle, bars(), method="widths", options=several)


def test_what_shows_too_little_is_refused(bundle: Bundle) -> None:
    short = Dataset(Path("none"), "none", CRACK, "segmentation", bars((4,)).samples, None, classes_named=True)
    with pytest.raises(DataError, match="fewer than 200 places"):
        choose_threshold(bundle, short, method="widths")


def test_areas_have_no_widths(tmp_path: Path) -> None:
    classes = (ClassSpec(id=1, name="crack", kind="area"),)
    area = dark_bundle(tmp_path / "area", classes=classes)
    with pytest.raises(DataError, match="no class of lines"):
        choose_threshold(area, bars(), method="widths")


def test_only_bundles_have_errors_of_widths() -> None:
    with pytest.raises(UsageError, match="those of a bundle"):
        choose_threshold(Dark(), bars(), method="widths")


def test_as_it_is_typed(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    data = tmp_path / "data"
    for folder in ("images", "masks"):
        (data / folder).mkdir(parents=True)
    for width in (4, 6):
        image, mask = barred(width)
        Image.fromarray(image).save(data / "images" / f"w{width}.png")
        Image.fromarray(mask * 255).save(data / "masks" / f"w{width}.png")
    words = ["threshold", str(bundle.source), str(data), "--method", "widths", "--write"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "crack: marked +4.0" in text and "Written into" in text
    assert set(Bundle.load(bundle.source).manifest.width_errors) == {"crack"}
    assert bundle.manifest.input == PLAIN
