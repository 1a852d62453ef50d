"""Bundles, runs and folds, from the library and from the command."""

from __future__ import annotations

import csv
import json
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.small import save
from flawscope.bundle import Bundle
from flawscope.cli.app import main
from flawscope.data.open import open_dataset
from flawscope.data.split_file import Split, write_split
from flawscope.errors import DataError, UsageError
from flawscope.evaluation.evaluate import evaluate, evaluate_cuts
from flawscope.evaluation.runs import evaluate_run, find_models
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.preprocess import seen_after
from flawscope.manifest import Chosen
from inspection.toy_networks import PLAIN, dark_bundle

from .toys import dataset, picture, sample

NAMES = tuple(f"{k:03d}" for k in range(6))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six images with masks on disk."""
    for k, name in enumerate(NAMES):
        image, mask = picture(k)
        if k == 5:
            image[0:3, :] = 20  # darkness that is no crack
        save(tmp_path / "set" / "images" / f"{name}.png", image)
        save(tmp_path / "set" / "masks" / f"{name}.png", mask * 255)
    return tmp_path / "set"


def strict(value: float) -> dict[str, dict[str, Chosen]]:
    return {"thresholds": {"crack": Chosen(value=value)}}


@pytest.fixture
def folds(tmp_path: Path) -> Path:
    """A run of two folds: the model of one is right, that of the other finds nothing."""
    run = tmp_path / "run"
    dark_bundle(run / "fold-0" / "bundle")
    dark_bundle(run / "fold-1" / "bundle", **strict(1.0))
    write_split(run / "split.json", Split(parts={"test": NAMES[4:]}, folds=(NAMES[:2], NAMES[2:4])))
    return run


def test_a_bundle_is_evaluated_through_its_graph(data: Path, tmp_path: Path) -> None:
    dark_bundle(tmp_path / "b")
    got = evaluate(tmp_path / "b", open_dataset(data))
    assert got.images == 6 and got.model == str(tmp_path / "b")
    assert got.value("recall_pooled") == 1 and 0.5 < got.value("precision_pooled") < 1
    again = evaluate(Inspector(tmp_path / "b"), open_dataset(data))
    assert again.to_dict() == got.to_dict()


def test_the_network_grid_counts_fewer_pixels(data: Path, tmp_path: Path) -> None:
    spec = PLAIN.model_copy(update={"mode": "resize", "factor": 0.5})
    bundle = dark_bundle(tmp_path / "b", input=spec)
    some = open_dataset(data)
    pixels = {
        at: sum(row.classes[0].tp + row.classes[0].fp + row.classes[0].fn + row.classes[0].tn for row in rows)
        for at in ("original", "network")
        if (rows := evaluate(bundle, some, at=at).rows)  # type: ignore[arg-type]
    }
    assert pixels == {"original": 6 * 40 * 48, "network": 6 * 20 * 24}


def test_a_picture_on_the_network_grid_is_not_shrunk_again(tmp_path: Path) -> None:
    """Dark lines two pixels wide on the network's grid are dark there, and grey at half that size."""
    image, mask = np.full((40, 48, 3), 255, np.uint8), np.zeros((40, 48), np.uint8)
    for top in range(0, 40, 8):
        image[top : top + 4], mask[top : top + 4] = 0, 1
    some = replace(dataset(1), samples=(sample("lines", image, mask),))
    bundle = dark_bundle(tmp_path / "b", input=PLAIN.model_copy(update={"mode": "resize", "factor": 0.5}))
    got = evaluate(bundle, some, at="network")
    assert got.value("iou_pooled") == 1


def test_what_one_network_saw_is_left_to_the_next_by_its_own_share() -> None:
    """A quarter of the photograph is half of what is there where a half was taken before."""
    spec = PLAIN.model_copy(update={"mode": "resize", "factor": 0.25})
    assert seen_after(spec, spec.model_copy(update={"factor": 0.5})).factor == 0.5
    assert seen_after(spec, spec).factor == 1 and seen_after(spec, PLAIN) is spec
    assert seen_after(PLAIN, spec) is PLAIN


def test_presence_is_counted_on_the_grid_at_hand(tmp_path: Path) -> None:
    """A dark block of 160 px of 40 x 48 is told on both grids: a quarter as many pixels of a quarter."""
    image, mask = np.full((40, 48, 3), 200, np.uint8), np.zeros((40, 48), np.uint8)
    image[8:12, 4:44], mask[8:12, 4:44] = 20, 1
    some = replace(dataset(1), samples=(sample("block", image, mask),))
    spec = PLAIN.model_copy(update={"mode": "resize", "size_hw": (20, 24)})
    meant = {"crack": Chosen(value=100, of_px=40 * 48)}
    bundle = dark_bundle(tmp_path / "b", input=spec, presence_px=meant, min_area_px=meant)
    for at, pixels in (("original", 160), ("network", 40)):
        for one in evaluate_cuts(bundle, some, at=at, cuts=(None, 0.4)):  # type: ignore[arg-type]
            assert one.rows[0].classes[0].predicted_pixels == pytest.approx(pixels, rel=0.2)


def test_folds_give_mean_and_sd(data: Path, folds: Path, tmp_path: Path) -> None:
    got = evaluate_run(find_models(folds), open_dataset(data))
    values = [one.value("recall_pooled") for one in got.folds]  # type: ignore[union-attr]
    assert values == [1.0, 0.0]
    content = json.loads((got.write(tmp_path / "out") / "metrics.json").read_text())
    assert content["figures"]["recall_pooled"]["value"] == 0.5
    assert content["figures"]["recall_pooled"]["sd"] == pytest.approx(statistics.stdev(values))
    assert (content["images"], content["folds"], content["part"]) == (2, 2, "test")
    rows = list(csv.DictReader((tmp_path / "out" / "folds.csv").open()))
    assert [row["fold"] for row in rows] == ["0", "1", "mean", "sd"]
    assert (tmp_path / "out" / "fold-1" / "metrics.json").is_file()


def test_held_out_folds(data: Path, folds: Path) -> None:
    got = evaluate_run(find_models(folds), open_dataset(data), part="folds")
    assert [[row.name for row in one.rows] for one in got.folds] == [list(NAMES[:2]), list(NAMES[2:4])]  # type: ignore[union-attr]
    assert got.to_dict()["images"] == 4 and got.to_dict()["part"] == "folds"
    with pytest.raises(UsageError, match="as many"):
        evaluate_run(find_models(folds), open_dataset(data), Split(folds=(NAMES,)), "folds")


def test_an_ensemble_averages_probabilities(data: Path, folds: Path) -> None:
    got = evaluate_run(find_models(folds), open_dataset(data), ensemble=True)
    assert got.images == 2  # type: ignore[union-attr]
    # The mean of the thresholds .5 and 1 still lies below the probability of the dark crack.
    assert got.value("recall_pooled") == 1  # type: ignore[union-attr]
    single = find_models(folds / "fold-0")
    with pytest.raises(UsageError, match="ensemble"):
        evaluate_run(single, open_dataset(data), part="all", ensemble=True)


def test_a_run_is_tried_on_its_own_test_part(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    dark_bundle(run / "bundle")
    write_split(run / "split.json", Split(parts={"train": NAMES[:3], "test": NAMES[3:5]}))
    assert [row.name for row in evaluate_run(find_models(run), open_dataset(data)).rows] == list(NAMES[3:5])  # type: ignore[union-attr]


def test_a_fold_with_copies_is_tried_on_the_images_of_each_part(data: Path, tmp_path: Path) -> None:
    """Folds of the thesis: copies were dealt to them like images, and the data set has none."""
    fold = tmp_path / "run" / "fold-1"
    dark_bundle(fold / "bundle")
    parts = {
        "train": (*NAMES[:2], f"{NAMES[2]}#rotate180"),
        "val": (NAMES[2], f"{NAMES[0]}#flip_vertical", f"{NAMES[1]}#rotate180"),
        "test": NAMES[3:5],
    }
    write_split(fold / "split.json", Split(parts=parts))
    test = evaluate_run(find_models(fold), open_dataset(data))
    assert [row.name for row in test.rows] == list(NAMES[3:5])  # type: ignore[union-attr]
    assert not any("copies" in note for note in test.notes)
    val = evaluate_run(find_models(fold), open_dataset(data), part="val")
    assert [row.name for row in val.rows] == [NAMES[2]]  # type: ignore[union-attr]
    assert any("2 turned or flipped copies in part 'val'" in note for note in val.notes)


def test_folds_with_copies_are_tried_on_what_each_held_out(data: Path, folds: Path) -> None:
    """The split of their run has no folds; that of each fold holds copies, which are no images."""
    write_split(folds / "split.json", Split(parts={"train": NAMES[:4], "test": NAMES[4:]}))
    with pytest.raises(UsageError, match="split 0"):
        evaluate_run(find_models(folds), open_dataset(data), part="folds")
    (folds / "protocol.json").write_text(json.dumps({"schema": 1, "copies": "before"}), encoding="utf-8")
    for k, val in enumerate(((NAMES[0], f"{NAMES[2]}#rotate180"), NAMES[1:4])):
        write_split(folds / f"fold-{k}" / "split.json", Split(parts={"train": (), "val": val}))
    got = evaluate_run(find_models(folds), open_dataset(data), part="folds")
    shown = [[row.name for row in one.rows] for one in got.folds]  # type: ignore[union-attr]
    assert shown == [[NAMES[0]], list(NAMES[1:4])]
    assert any("1 turned or flipped copies in part 'folds'" in note for note in got.notes)  # type: ignore[union-attr]
    assert find_models(folds).split.parts["train"] == NAMES[:4]  # type: ignore[union-attr]
    (folds / "fold-1" / "split.json").unlink()
    with pytest.raises(UsageError, match="split 0"):
        evaluate_run(find_models(folds), open_dataset(data), part="folds")


def test_a_data_set_with_the_images_of_a_part_is_enough(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    dark_bundle(run / "bundle")
    write_split(run / "split.json", Split(parts={"train": ("elsewhere", NAMES[0]), "test": NAMES[3:5]}))
    assert [row.name for row in evaluate_run(find_models(run), open_dataset(data)).rows] == list(NAMES[3:5])  # type: ignore[union-attr]
    write_split(run / "split.json", Split(parts={"train": NAMES[:1], "test": (NAMES[3], "elsewhere")}))
    with pytest.raises(DataError, match=r"part 'test' names images that are not there, e\.g\. 'elsewhere'"):
        evaluate_run(find_models(run), open_dataset(data))


def test_trained_images_are_refused_or_told(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    dark_bundle(run / "bundle")
    write_split(run / "split.json", Split(parts={"train": NAMES[:3], "val": NAMES[3:]}))
    with pytest.raises(DataError, match="trained on images"):
        evaluate_run(find_models(run), open_dataset(data))
    got = evaluate_run(find_models(run), open_dataset(data), Split(parts={"test": NAMES[2:5]}))
    assert any("3 images of part 'test' were in the run's training" in note for note in got.notes)


def test_the_bundle_in_a_run_knows_what_trained_it(data: Path, tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    dark_bundle(run / "bundle")
    write_split(run / "split.json", Split(parts={"train": NAMES[:3], "val": NAMES[3:4], "test": NAMES[4:]}))
    inside, dataset = find_models(run / "bundle"), open_dataset(data)
    assert inside.split == find_models(run).split and not inside.folds
    assert [row.name for row in evaluate_run(inside, dataset).rows] == list(NAMES[4:])  # type: ignore[union-attr]
    got = evaluate_run(inside, dataset, Split(parts={"test": NAMES[2:]}))
    assert any("2 images of part 'test' were in the run's training" in note for note in got.notes)
    command = ["threshold", str(run / "bundle"), str(data), "--method", "risk", "--part", "all"]
    assert main([*command, "--level", "0.3"]) == 2
    assert "trained or selected the model" in capsys.readouterr().err
    dark_bundle(tmp_path / "alone")
    assert find_models(tmp_path / "alone").split is None


def test_the_bundle_of_a_fold_knows_what_trained_it(folds: Path) -> None:
    own = Split(parts={"train": NAMES[2:4], "val": NAMES[:2]})
    for fold in (folds / "fold-0", folds / "fold-0" / "bundle"):
        write_split(folds / "fold-0" / "split.json", own)
        assert find_models(fold).split == own
    (folds / "protocol.json").write_text(json.dumps({"schema": 1, "copies": "before"}), encoding="utf-8")
    for fold in (folds / "fold-0", folds / "fold-0" / "bundle"):
        assert find_models(fold).split == find_models(folds).split


def test_places_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no model at"):
        find_models(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds no model"):
        find_models(tmp_path)


def test_command_evaluate(data: Path, tmp_path: Path, capsys) -> None:
    dark_bundle(tmp_path / "b")
    out = tmp_path / "out"
    assert main(["evaluate", str(tmp_path / "b"), str(data), "--out", str(out)]) == 0
    text = capsys.readouterr()
    assert "f1_tol2_pooled" in text.out and "no split" in text.err
    assert main(["evaluate", str(tmp_path / "b"), str(data), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((out / "metrics.json").read_text())


def test_command_evaluate_with_a_bad_image(data: Path, tmp_path: Path, capsys) -> None:
    dark_bundle(tmp_path / "b")
    file = data / "images" / "001.png"
    file.write_bytes(file.read_bytes()[:400])
    arguments = ["evaluate", str(tmp_path / "b"), str(data), "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert "failed: 001" in capsys.readouterr().err
    write_split(tmp_path / "split.json", Split(parts={"test": NAMES[:3]}))
    assert main([*arguments, "--skip-bad", "--split", str(tmp_path / "split.json")]) == 0
    text = capsys.readouterr()
    assert "left out: 001" in text.err and "2 images" in text.out


def test_a_bad_test_image_does_not_hide_the_runs_own_split(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    dark_bundle(run / "bundle")
    write_split(run / "split.json", Split(parts={"train": NAMES[:3], "test": NAMES[3:]}))
    file = data / "images" / f"{NAMES[4]}.png"
    file.write_bytes(file.read_bytes()[:400])
    got = evaluate_run(find_models(run), open_dataset(data, skip_bad=True))
    assert [row.name for row in got.rows] == [NAMES[3], NAMES[5]]  # type: ignore[union-attr]


def test_command_evaluate_of_folds(data: Path, folds: Path, tmp_path: Path, capsys) -> None:
    assert main(["evaluate", str(folds), str(data), "--out", str(tmp_path / "out")]) == 0
    assert "mean and sd of 2 folds" in capsys.readouterr().out


def test_command_evaluate_wrong_use(data: Path, tmp_path: Path, capsys) -> None:
    dark_bundle(tmp_path / "b", names=("rust", "moss"))
    base = ["evaluate", str(tmp_path / "b"), str(data), "--out", str(tmp_path / "out")]
    base += ["--mask-value", "255=fissure"]
    assert main(base) == 2
    assert "--map" in capsys.readouterr().err
    base += ["--map", "fissure=rust"]
    assert main(base) == 0
    assert main([*base, "--at", "moon"]) == 2
    assert main([*base, "--part", "val"]) == 3
    (tmp_path / "file").write_text("")
    assert main([*base, "--out", str(tmp_path / "file")]) == 3


def test_command_threshold(data: Path, tmp_path: Path, capsys) -> None:
    dark_bundle(tmp_path / "b")
    base = ["threshold", str(tmp_path / "b"), str(data)]
    assert main([*base, "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "<- chosen" in text and "Nothing was changed" in text
    assert Bundle.load(tmp_path / "b").manifest.thresholds["crack"].rule == "given"
    assert main([*base, "--write", "--measure", "f1", "--json"]) == 0
    chosen = json.loads(capsys.readouterr().out)["classes"]["crack"]
    assert Bundle.load(tmp_path / "b").manifest.thresholds["crack"].value == chosen["threshold"]
    assert main([*base, "--method", "otsu"]) == 2
    assert main([*base, "--method", "connectivity", "--begin", "half"]) == 0
    assert "above 0.899" in capsys.readouterr().out
    assert main([*base, "--method", "risk"]) == 3
    assert "'calibration'" in capsys.readouterr().err
    risk = ["--method", "risk", "--part", "all", "--level", "0.3", "--write"]
    assert main([*base, *risk]) == 2
    assert "min_area_px of crack was chosen on set, part all" in capsys.readouterr().err
    dark_bundle(tmp_path / "c")
    assert main(["threshold", str(tmp_path / "c"), str(data), *risk]) == 0
    assert "at most 0.3 of pixels missed" in capsys.readouterr().out
    assert Bundle.load(tmp_path / "c").manifest.promises["crack"].level == 0.3
    assert (tmp_path / "out" / "thresholds.png").is_file()


def test_command_threshold_refuses_folds(data: Path, folds: Path) -> None:
    assert main(["threshold", str(folds), str(data)]) == 2


def test_large_pictures_are_shrunk_and_thin_lines_stay() -> None:
    from io import BytesIO

    from PIL import Image

    from flawscope.evaluation.gallery import draw_panel

    mask = np.zeros((1500, 2000), bool)
    mask[700] = True
    jpeg = draw_panel(np.full((1500, 2000, 3), 120, np.uint8), mask, ~mask & False)
    panel = np.asarray(Image.open(BytesIO(jpeg)))
    assert panel.shape[1] < 1500
    right = panel[:, panel.shape[1] // 2 + 10 :]
    assert (right[..., 0] > 180).any(axis=0).mean() > 0.95
