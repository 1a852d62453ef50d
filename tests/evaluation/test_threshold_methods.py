"""The methods connectivity and risk from images to the bundle, and promises that lapse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flawscope.bundle import Bundle
from flawscope.cli.app import main
from flawscope.data.dataset import Dataset
from flawscope.data.split_file import Split
from flawscope.errors import BundleError, DataError, UsageError
from flawscope.evaluation.evaluate import EvaluateOptions, evaluate
from flawscope.evaluation.gate_report import choose_gate
from flawscope.evaluation.report import rewrite
from flawscope.evaluation.risk import RiskOptions
from flawscope.evaluation.risk_report import ALONE
from flawscope.evaluation.thresholds import choose_threshold
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.promises import promise_records, void_notes
from flawscope.manifest import Chosen
from inspection.gates import dark_gate
from inspection.toy_networks import dark_bundle

from .toys import Dark, dataset, sample

NAMES = tuple(f"{k:03d}" for k in range(24))
SPLIT = Split(parts={"train": NAMES[:2], "val": NAMES[2:4], "calibration": NAMES[4:]})
TWENTY_PERCENT = RiskOptions(level=0.2)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return dark_bundle(tmp_path / "bundle")


def promised(bundle: Bundle, **more) -> Bundle:
    report = choose_threshold(bundle, dataset(24, SPLIT), method="risk", risk=TWENTY_PERCENT, **more)
    return report.apply(bundle)


def test_connectivity_from_images_to_the_bundle(bundle: Bundle, tmp_path: Path) -> None:
    report = choose_threshold(bundle, dataset(6), method="connectivity")
    report.write(tmp_path / "out")
    content = json.loads((tmp_path / "out" / "thresholds.json").read_text())
    assert content["method"] == "connectivity"
    assert sum(content["classes"]["crack"]["histogram"]["images"]) == 6
    assert (tmp_path / "out" / "thresholds.png").stat().st_size > 1000
    assert any("above 0.899" in line for line in report.lines())
    before = bundle.manifest.min_area_px
    after = report.apply(bundle).manifest
    assert after.thresholds["crack"].value == content["classes"]["crack"]["threshold"]
    assert "connectivity" in after.thresholds["crack"].rule and after.min_area_px == before


def test_a_promise_comes_from_calibration_and_goes_into_the_bundle(bundle: Bundle, tmp_path: Path) -> None:
    report = choose_threshold(bundle, dataset(24, SPLIT), method="risk", risk=TWENTY_PERCENT)
    assert (report.part, report.images) == ("calibration", 20)
    report.write(tmp_path / "out")
    assert json.loads((tmp_path / "out/thresholds.json").read_text())["classes"]["crack"]["units"] == 10
    assert (tmp_path / "out" / "thresholds.png").stat().st_size > 1000
    after = report.apply(bundle)
    promise = after.manifest.promises["crack"]
    assert promise.units == 10 and promise.runtime == "onnx" and promise.file == "model.onnx"
    assert promise.sha256 == after.manifest.sha256["model.onnx"]
    assert promise.words == "at most 0.2 of pixels missed, in expectation"
    assert after.threshold("crack") == promise.threshold
    assert Bundle.load(after.source).manifest.promises == after.manifest.promises
    (record,) = promise_records(Inspector(after))
    assert record == {"class": "crack", "promise": promise.words, "holds": True, "void_because": []}
    assert not void_notes(Inspector(after))


def test_a_promise_lapses_when_anything_it_hangs_on_changes(bundle: Bundle, tmp_path: Path) -> None:
    kept = promised(bundle)
    changed = {
        "threshold was": Inspector(kept, thresholds={"crack": 0.95}),
        "minimum area was": Inspector(kept, min_area_px={"crack": 99}),
        "flips was": Inspector(kept, options=PredictOptions(flip_tta=True)),
        "working scale was": Inspector(kept, options=PredictOptions(scales=(0.5,))),
        "several models": Inspector([kept, kept]),
    }
    for reason, inspector in changed.items():
        (note,) = void_notes(inspector)
        assert reason in note and "is void" in note
    manifest = kept.manifest
    input_ = manifest.input.model_copy(update={"halo_px": manifest.input.halo_px - 1})
    tile = rewrite(kept, manifest.model_copy(update={"input": input_}))
    assert "tile" in void_notes(Inspector(tile))[0]
    other = manifest.promises["crack"].model_copy(update={"sha256": "0" * 64})
    file = rewrite(tile, manifest.model_copy(update={"promises": {"crack": other}}))
    assert "model.onnx is another file" in void_notes(Inspector(file))[0]
    openvino = manifest.promises["crack"].model_copy(update={"runtime": "openvino"})
    runtime = rewrite(file, manifest.model_copy(update={"promises": {"crack": openvino}}))
    assert "runtime was openvino, is onnx" in void_notes(Inspector(runtime))[0]


def test_a_promise_lapses_when_several_scales_are_fused_another_way(bundle: Bundle) -> None:
    mean = PredictOptions(scales=(1.0, 0.5), fusion="mean")
    kept = promised(bundle, options=EvaluateOptions(predict=mean))
    assert not void_notes(Inspector(kept, options=mean))
    for other in ("max", "choose"):
        (note,) = void_notes(Inspector(kept, options=replace(mean, fusion=other)))
        assert f"fusion was mean, is {other}" in note


def test_at_one_scale_there_is_nothing_to_fuse(bundle: Bundle) -> None:
    """And a promise that was made before fusion was kept keeps its text, so its bundle keeps its hash."""
    kept = promised(bundle)
    assert not void_notes(Inspector(kept, options=PredictOptions(fusion="max")))
    assert "fusion" not in kept.manifest.to_json()


def test_evaluate_and_inspect_say_that_a_promise_is_void(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = promised(bundle)
    assert not any("void" in note for note in evaluate(kept, dataset(3), part="all").notes)
    changed = Inspector(kept, thresholds={"crack": 0.9})
    assert any("is void" in note for note in evaluate(changed, dataset(3), part="all").notes)
    from PIL import Image

    Image.fromarray(dataset(1).samples[0].image()).save(tmp_path / "a.png")
    call = ["inspect", str(tmp_path / "a.png"), "--model", str(kept.source), "--out", str(tmp_path / "o")]
    assert main([*call, "--threshold", "0.9", "--format", "csv"]) == 0
    assert "is void: threshold was" in capsys.readouterr().err
    (record,) = json.loads((tmp_path / "o" / "run.json").read_text())["promises"]
    assert not record["holds"]
    assert main([*call, "--format", "html", "--tta"]) == 0
    page = (tmp_path / "o" / "report.html").read_text()
    assert "is void: flips was False, is True" in page and "promise void, see the notes" in page
    capsys.readouterr()
    assert main([*call, "--format", "html"]) == 0
    assert "void" not in capsys.readouterr().err
    assert "at most 0.2 of pixels missed, in expectation) holds" in (tmp_path / "o/report.html").read_text()


def test_a_new_threshold_ends_the_promise(bundle: Bundle) -> None:
    kept = promised(bundle)
    for method in ("f1", "connectivity"):
        report = choose_threshold(kept, dataset(6), method=method)
        assert report.updated(kept.manifest).promises == {}


@pytest.mark.parametrize("part", ["train", "val"])
def test_no_promise_from_parts_that_made_the_model(bundle: Bundle, part: str) -> None:
    with pytest.raises(UsageError, match="trained or selected"):
        choose_threshold(bundle, dataset(24, SPLIT), part=part, method="risk", risk=TWENTY_PERCENT)


def test_no_promise_from_images_of_the_run_or_of_the_minimum_area(bundle: Bundle) -> None:
    run = Split(parts={"train": NAMES[5:7], "val": NAMES[:1]})
    folds = Split(parts={}, folds=(NAMES[5:7], NAMES[7:9]))
    for split in (run, folds):
        with pytest.raises(UsageError, match=r"e\.g\. 005"):
            promised(bundle, run_split=split)
    clean = Split(parts={"train": NAMES[:2], "val": NAMES[2:4]})
    assert promised(bundle, run_split=clean).manifest.promises
    area = {"crack": Chosen(value=5, rule="f1", data="toys, part calibration")}
    tuned = rewrite(bundle, bundle.manifest.model_copy(update={"min_area_px": area}))
    with pytest.raises(UsageError, match="min_area_px of crack was chosen on toys, part calibration"):
        promised(tuned)


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("of_gate", [False, True])
def test_no_promise_from_images_that_a_choice_was_made_on(
    bundle: Bundle, tmp_path: Path, of_gate: bool, renamed: bool
) -> None:
    """Known by their pixels: another part, another folder and other names make no other images."""
    used, part = dataset(24), Split(parts={"test": NAMES[4:]})
    if of_gate:
        clean = sample("clean", np.full((40, 48, 3), 240, np.uint8), np.zeros((40, 48), np.uint8))
        used = used.with_samples([*used, clean])
        tuned = choose_gate(bundle, dark_gate(tmp_path / "gate"), used, None, None, 0.2).apply(bundle)
    else:
        tuned = choose_threshold(bundle, used, part="all").apply(bundle)
    data = dataset(24)
    if renamed:
        data = replace(
            data, root=Path("link"), samples=tuple(replace(one, name=f"a{one.name}") for one in data)
        )
        part = Split(parts={"test": data.names[4:]})
    what = "threshold of its gate" if of_gate else "min_area_px of crack"
    ask = {"method": "risk", "part": "test", "risk": TWENTY_PERCENT}
    with pytest.raises(UsageError, match=f"{what} was chosen on toys, part all, and image .*004 is one"):
        choose_threshold(tuned, data, part, **ask)  # type: ignore[arg-type]


def test_a_promise_from_other_images_of_the_same_names(bundle: Bundle) -> None:
    """And a clean image may be among both, which has nothing to be missed."""
    clean = np.full((40, 48, 3), 240, np.uint8), np.zeros((40, 48), np.uint8)
    used = [*dataset(4).samples, sample("clean", *clean)]
    tuned = choose_threshold(bundle, dataset(4).with_samples(used), part="all").apply(bundle)
    others = [replace(one, name=f"{k:03d}") for k, one in enumerate(dataset(24).samples[4:])]
    data = replace(dataset(), root=Path("others"), samples=(*others, sample("clean", *clean)))
    assert promised_by(tuned, data).manifest.promises


def promised_by(bundle: Bundle, data: Dataset) -> Bundle:
    split = Split(parts={"calibration": data.names})
    return choose_threshold(bundle, data, split, method="risk", risk=TWENTY_PERCENT).apply(bundle)


def test_of_an_older_bundle_the_names_are_compared(bundle: Bundle) -> None:
    """All of a set holds each of its parts."""
    for data, part in (("toys, part all", "calibration"), ("toys, part calibration", "all")):
        area = {"crack": Chosen(value=5, rule="f1", data=data)}
        tuned = rewrite(bundle, bundle.manifest.model_copy(update={"min_area_px": area}))
        with pytest.raises(UsageError, match=f"min_area_px of crack was chosen on {data}; it must be fixed"):
            promised(tuned, part=part)
    area = {"crack": Chosen(value=5, rule="f1", data="walls, part all")}
    assert promised(rewrite(bundle, bundle.manifest.model_copy(update={"min_area_px": area})))


@pytest.mark.parametrize("of_folds", [False, True])
def test_no_promise_from_the_other_image_of_a_group_of_the_run(bundle: Bundle, of_folds: bool) -> None:
    """Groups hold two images each: the run trained on one of every group, the other is to calibrate."""
    trained, rest = NAMES[::2], NAMES[1::2]
    data = dataset(24, Split(parts={"calibration": rest}))
    run = Split(folds=(trained[:6], trained[6:])) if of_folds else Split(parts={"train": trained})
    with pytest.raises(UsageError, match=r"12 images .* of a group .*, e\.g\. 001 .*\(g0\)"):
        choose_threshold(bundle, data, method="risk", risk=TWENTY_PERCENT, run_split=run)


def test_units_are_the_groups_of_the_split_that_was_named(bundle: Bundle) -> None:
    """A split by prefix, laid beside a data set that knows no groups: its patches are no units."""
    patches = [
        replace(one, name=f"wall{k // 2}_{k % 2}", group="") for k, one in enumerate(dataset(24).samples)
    ]
    data = dataset(24).with_samples(patches)
    split = Split(parts={"calibration": data.names}, group_by="prefix")
    for given in (
        {"split": split},
        {"split": split.model_copy(update={"group_by": None}), "run_split": split},
    ):
        chosen = {"run_split": Split(), **given}
        report = choose_threshold(bundle, data, method="risk", risk=TWENTY_PERCENT, **chosen)
        assert report.class_dicts()["crack"]["units"] == 12


def test_what_the_user_is_told(bundle: Bundle) -> None:
    report = choose_threshold(bundle, dataset(24, SPLIT), method="risk", risk=TWENTY_PERCENT)
    assert any("which images trained" in note for note in report.notes)
    assert ALONE not in report.notes
    lone = dataset(24, SPLIT)
    lone = lone.with_samples(replace(one, group="") for one in lone)
    report = choose_threshold(bundle, lone, method="risk", risk=TWENTY_PERCENT)
    assert ALONE in report.notes and report.class_dicts()["crack"]["units"] == 20
    tested = Split(parts={"test": NAMES})
    report = choose_threshold(
        bundle, dataset(24, tested), part="test", method="risk", risk=TWENTY_PERCENT, run_split=Split()
    )
    assert any("used up" in note for note in report.notes)
    assert not any("refused" in note for note in report.notes)
    few = choose_threshold(bundle, dataset(24, SPLIT), method="risk", risk=RiskOptions(level=1 / 11))
    assert any("might have been refused" in note for note in few.notes), "10 units, so many are needed"
    with pytest.raises(DataError, match="needs 99 or more"):
        choose_threshold(bundle, dataset(24, SPLIT), method="risk", risk=RiskOptions(level=0.01))
    with pytest.raises(DataError, match="calibration"):
        choose_threshold(bundle, dataset(24), method="risk")


def test_a_model_that_is_no_bundle_cannot_promise(bundle: Bundle) -> None:
    report = choose_threshold(Dark(), dataset(24, SPLIT), method="risk", risk=TWENTY_PERCENT)
    with pytest.raises(BundleError, match="one bundle"):
        report.apply(bundle)


def test_bad_images_are_named(bundle: Bundle) -> None:
    from .toys import unreadable

    data = dataset(24, SPLIT)
    samples = (*data.samples[:23], replace(data.samples[23], image=unreadable))
    report = choose_threshold(bundle, replace(data, samples=samples), method="risk", risk=TWENTY_PERCENT)
    assert [item.name for item in report.failed] == ["023"] and report.images == 19
