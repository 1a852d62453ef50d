"""Papers' tables: our figures in their columns, beside what was printed."""

from __future__ import annotations

import base64
import csv as csv_module
import html
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.cli.app import main
from flawscope.data.layouts.kaggle_cracks import source_of
from flawscope.data.open import open_dataset
from flawscope.data.split_file import Split, write_split
from flawscope.errors import DataError, UsageError
from flawscope.evaluation.evaluate import EvaluateOptions, evaluate, evaluate_cuts
from flawscope.evaluation.runs import evaluate_run, find_models
from flawscope.evaluation.side_by_side import write_side_by_side
from flawscope.evaluation.table_runs import Trial, parse_run, parse_runs, results
from flawscope.evaluation.table_text import Labelled, csv, make_table, markdown
from flawscope.evaluation.tables import LAYOUTS, Column, cell_of, layout_named
from inspection.toy_networks import PLAIN, dark_bundle

from .toys import Dark, dataset, picture


def figure(value: float, low: float | None = None, high: float | None = None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


METRICS = {
    "part": "test",
    "images": 4,
    "figures": {
        "iou_image_mean": figure(0.4912, 0.4, 0.6),
        "miou_image_mean": figure(0.7251, 0.7, 0.75),
        "mf1_image_mean": figure(0.8),
        "image_fn": figure(3),
        "image_fp": figure(1),
    },
    "classes": {
        "crack": {
            "iou_image_mean": figure(0.4912),
            "precision_image_mean": figure(0.6),
            "recall_image_mean": figure(0.7),
            "f1_image_mean": {"value": None, "low": None, "high": None},
        },
        "background": {"iou_image_mean": figure(0.981), "f1_image_mean": figure(0.99)},
    },
    "sources": {"CFD": {"iou_image_mean": figure(0.41)}, "masonry": {"iou_image_mean": figure(0.5)}},
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_printed_rows_fill_their_columns(name: str) -> None:
    layout = layout_named(name)
    for block in layout.printed:
        labels = [label for label, _ in block.rows]
        assert len(set(labels)) == len(labels)
        assert all(len(values) == len(block.columns) for _, values in block.rows)
        if not layout.sources:
            assert block.columns == tuple(column.title for column in layout.columns)
        else:
            assert len(layout.columns) == 1


def test_the_papers_means_agree_with_their_parts() -> None:
    """The printed mIoU is the mean of the printed crack and background IoU, as ours is."""
    for block in LAYOUTS["coredeep-1"].printed:
        for label, values in block.rows:
            row = dict(zip(block.columns, values, strict=True))
            assert row["mIoU"] == pytest.approx((row["C_IoU"] + row["B_IoU"]) / 2, abs=0.0101), label


def test_runs_are_rows_beside_the_printed_ones() -> None:
    table = make_table(layout_named("coredeep-1"), [Labelled("mine", METRICS)])
    text = markdown(table)
    assert "| mine | ours | 0.73 | 0.80 | 3 | 1 | 0.491 | 0.98 | 0.60 | 0.70 | - | 0.99 |" in text
    assert "| SW95 | printed (a) ResNet-50 | 0.75 | 0.83 | 22 | 2 | 0.526 |" in text
    assert "0.73 [0.70, 0.75]" in markdown(table, limits=True)
    rows = list(csv_module.DictReader(io.StringIO(csv(table))))
    assert (rows[0]["from"], rows[0]["Approach"], rows[0]["C_IoU"], rows[0]["mIoU low"]) == (
        "ours", "mine", "0.4912", "0.7",
    )  # fmt: skip
    assert rows[0]["C_F1"] == "" and len(rows) == 13
    assert not [name for name in rows[0] if name.endswith(" sd")]


def test_csv_gives_the_deviation_over_folds_a_column_of_its_own() -> None:
    mean = {"miou_image_mean": {"value": 0.5, "sd": 0.01, "low": None, "high": None}}
    spread = {**METRICS, "figures": mean}
    table = make_table(layout_named("coredeep-1"), [Labelled("folds", spread), Labelled("one", METRICS)])
    folds, one, *printed = csv_module.DictReader(io.StringIO(csv(table)))
    assert (folds["mIoU sd"], folds["mIoU low"], folds["mIoU high"]) == ("0.01", "", "")
    assert (one["mIoU sd"], one["mIoU low"], one["mIoU high"]) == ("", "0.7", "0.75")
    assert all(row["mIoU sd"] == "" for row in printed) and "C_IoU sd" not in folds


def test_sources_are_rows_and_runs_columns() -> None:
    table = make_table(layout_named("coredeep-2"), [Labelled("a", METRICS), Labelled("b", {"sources": {}})])
    assert table.headings[:3] == ("a", "b", "Baseline, printed (a) ResNet-50")
    rows = {label: cells for _, label, cells in table.rows}
    assert len(rows) == 11
    assert [rows["CFD"][k].value for k in (0, 1, 2, 6)] == [0.41, None, 0.276, 0.299]
    assert [rows["masonry"][k].value for k in (0, 2)] == [0.5, None]
    assert rows["DeepCrack"][0].value is None and rows["DeepCrack"][8].value == 0.747
    assert "from" not in markdown(table).splitlines()[2]


@pytest.mark.parametrize(
    ("stem", "printed", "baseline"),
    [
        ("Sylvie_Chambon_012", "Sylvie Chambon", 0.262),
        ("Eugen_Muller_21", "Eugen Muller", 0.342),
        ("cracktree200_6200", "cracktree200", 0.109),
        ("Rissbilder_for_Florian_9S6A", "Rissbilder", 0.474),
    ],
)
def test_a_prefix_stands_beside_the_set_that_the_paper_printed(
    stem: str, printed: str, baseline: float
) -> None:
    """Names of the Kaggle set: a prefix ends at the first underscore, the printed name has two words."""
    source = source_of(stem)
    for ours in (source, source.upper(), printed):
        metrics = {"sources": {ours: {"iou_image_mean": figure(0.6)}}}
        rows = {
            label: cells
            for _, label, cells in make_table(layout_named("coredeep-2"), [Labelled("a", metrics)]).rows
        }
        assert len(rows) == 10
        assert [cell.value for cell in rows[printed][:2]] == [0.6, baseline]


def test_sets_that_share_a_first_word_keep_their_names_and_empty_ones_have_no_row() -> None:
    sources = {name: {"iou_image_mean": figure(0.6)} for name in ("forest_a", "forest_b", "masonry")}
    sources["noncrack"] = {"iou_image_mean": {"value": None, "low": None, "high": None}}
    table = make_table(layout_named("coredeep-2"), [Labelled("a", {"sources": sources})])
    names = [name for _, name, _ in table.rows]
    assert names[:4] == ["forest_a", "forest_b", "masonry", "Sylvie Chambon"]
    assert "noncrack" not in names and len(names) == 3 + 9


@pytest.mark.parametrize("name", ["attention-1", "attention-cracks"])
def test_the_attention_papers_iou_is_of_what_is_looked_for_alone(name: str) -> None:
    """On thin cracks a network that marks nothing has half the mean of crack and background: as printed."""
    blind = {"figures": {"iou_image_mean": figure(0.0), "miou_image_mean": figure(0.4945)}}
    table = make_table(layout_named(name), [Labelled("blind", blind)])
    assert table.headings[0] == "mIoU (%)"
    ours, printed = table.rows[0][2], table.rows[1][2]
    assert [cell.value for cell in ours] == [0.0, 49.45]
    assert printed[0].value is not None and printed[1].value is None
    assert "background" in table.headings[1] and "background" in layout_named(name).note


def test_percentages_and_the_only_class() -> None:
    column = LAYOUTS["attention-1"].columns[1]
    assert cell_of(METRICS, column).text() == "72.51"
    assert cell_of(METRICS, column).text(limits=True) == "72.51 [70.00, 75.00]"
    several = {**METRICS, "classes": {"a": {}, "b": {}}}
    with pytest.raises(UsageError, match="have 2"):
        cell_of(several, Column("x", "classes/*/iou_image_mean"))
    spread = {"figures": {"miou_image_mean": {"value": 0.5, "sd": 0.01, "low": None, "high": None}}}
    assert cell_of(spread, column).text(limits=True) == "50.00 sd 1.00"


def test_reading_what_was_asked_for(tmp_path: Path) -> None:
    one = parse_run("SW95=runs/sw@0.95")
    assert (one.label, one.path, one.cut) == ("SW95", Path("runs/sw"), 0.95)
    assert parse_run("runs/sw@0.9").label == "sw90"
    assert parse_run("runs/base").label == "base" and parse_run("runs/base").cut is None
    odd = tmp_path / "a@0.5"
    odd.mkdir()
    assert parse_run(str(odd)).path == odd
    for wrong in ("=x", "a=", "x@1.5", "x@much"):
        with pytest.raises(UsageError, match="LABEL"):
            parse_run(wrong)


def test_a_sweep_is_a_row_a_threshold(tmp_path: Path) -> None:
    rows = parse_runs("SW=runs/sw@0.90:0.98")
    assert [one.label for one in rows] == [f"SW{cut}" for cut in range(90, 99)]
    assert [one.cut for one in rows] == pytest.approx([cut / 100 for cut in range(90, 99)])
    assert {one.path for one in rows} == {Path("runs/sw")}
    assert [one.label for one in parse_runs("runs/sw@0.5:0.9:0.2")] == ["sw50", "sw70", "sw90"]
    assert parse_runs("SW95=runs/sw@0.95") == [parse_run("SW95=runs/sw@0.95")]
    assert parse_runs("runs/base") == [parse_run("runs/base")]
    (odd := tmp_path / "sw@0.1:0.2").mkdir()
    assert [one.path for one in parse_runs(f"SW={odd}")] == [odd]
    for wrong in (
        "sw@0.9:0.5",
        "sw@0:0.5",
        "sw@0.5:1",
        "sw@0.5:0.6:0",
        "sw@a:b",
        "SW=@0.5:0.6",
        "=sw@0.5:0.6",
    ):
        with pytest.raises(UsageError, match="is not understood"):
            parse_runs(wrong)


def test_results_of_evaluate_are_read(tmp_path: Path) -> None:
    evaluate(Dark(), dataset(4), part="all").write(tmp_path / "one")
    rows, notes = results([parse_run(f"Baseline={tmp_path / 'one'}")])
    assert rows[0].label == "Baseline" and rows[0].metrics["images"] == 4
    assert notes == ["one was counted on part 'all'"]
    with pytest.raises(UsageError, match=r"one@0\.9: another threshold needs --data"):
        results([parse_run(f"{tmp_path / 'one'}{cut}") for cut in ("", "@0.9", "")])
    (tmp_path / "bad").mkdir()
    for content in (None, "{}", "[]", '{"figures": 3}'):
        if content is not None:
            (tmp_path / "bad" / "metrics.json").write_text(content)
        with pytest.raises(DataError):
            results([parse_run(str(tmp_path / "bad"))])


def test_cuts_are_what_an_own_threshold_gives(tmp_path: Path) -> None:
    bundle = dark_bundle(tmp_path / "bundle")
    data = dataset(4)
    from flawscope.inspection.inspector import Inspector

    own, high = evaluate_cuts(bundle, data, part="all", cuts=(None, 0.9))
    alone = evaluate(Inspector(bundle, thresholds={"crack": 0.9}), data, part="all")
    assert high.to_dict()["figures"] == alone.to_dict()["figures"]
    assert own.to_dict()["figures"] == evaluate(bundle, data, part="all").to_dict()["figures"]
    assert "every class is cut at 0.9" in high.notes
    wanted = [parse_run(f"SW={tmp_path / 'bundle'}"), parse_run(f"SW90={tmp_path / 'bundle'}@0.9")]
    rows, _ = results(wanted, Trial(data, part="all"))
    assert [row.label for row in rows] == ["SW", "SW90"]
    assert rows[1].metrics["figures"] == high.to_dict()["figures"]


def write_kaggle(root: Path) -> Path:
    """Three pictures of each of two sources and two clean ones, all in part test."""
    for name in ("images", "masks"):
        (root / "test" / name).mkdir(parents=True)
    for k, stem in enumerate(["CFD_1", "CFD_2", "CFD_3", "DeepCrack_1", "DeepCrack_2", "noncrack_1"]):
        image, mask = picture(k)
        if stem.startswith("noncrack"):
            image, mask = np.full_like(image, 200), np.zeros_like(mask)
        Image.fromarray(image).save(root / "test" / "images" / f"{stem}.png")
        Image.fromarray(mask * 255).save(root / "test" / "masks" / f"{stem}.png")
    return root


def test_one_command_prints_both_tables_and_a_gallery(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dark_bundle(tmp_path / "sw")
    data = write_kaggle(tmp_path / "data")
    runs = [f"SW={tmp_path / 'sw'}", f"SW95={tmp_path / 'sw'}@0.95"]
    call = ["table", *runs, "--like", "coredeep-1,coredeep-2", "--data", str(data)]
    assert main([*call, "--out", str(tmp_path / "out"), "--gallery", "2"]) == 0
    shown = capsys.readouterr().out
    assert "CoreDeep, table 1" in shown and "CoreDeep, table 2" in shown and "| SW95 | ours |" in shown
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"coredeep-{k}.{end}" for k in (1, 2) for end in ("csv", "md")} | {"side-by-side.html"}
    page = (tmp_path / "out" / "side-by-side.html").read_text()
    assert all(f"<h2>{source}</h2>" in page for source in ("CFD", "DeepCrack"))
    assert page.count("data:image/png") == 4 * 5 and "<th>SW95</th>" in page
    assert main([*call, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["coredeep-1"][0]["FP"] == 0
    assert {row["Dataset"] for row in content["coredeep-2"]} >= {"CFD", "DeepCrack", "forest"}


def test_a_damaged_file_is_named_and_the_others_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Part of a mask, and a text for an image: the table and the gallery have what is left."""
    dark_bundle(tmp_path / "sw")
    data = write_kaggle(tmp_path / "data")
    mask = data / "test" / "masks" / "CFD_2.png"
    mask.write_bytes(mask.read_bytes()[:60])
    (data / "test" / "images" / "DeepCrack_1.png").write_text("no picture", encoding="utf-8")
    call = ["table", f"SW={tmp_path / 'sw'}", "--like", "coredeep-1", "--data", str(data)]
    assert main([*call, "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr()
    for name in ("CFD_2", "DeepCrack_1"):
        assert f"failed: {name}: " in told.err
        assert f"failed: {name}: " in (tmp_path / "out" / "coredeep-1.md").read_text(encoding="utf-8")
    assert "| SW | ours |" in told.out
    page = (tmp_path / "out" / "side-by-side.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == 4 * 3 and "CFD_3" in page and "CFD_2" not in page
    assert main([*call, "--gallery", "0"]) == 1


def write_run(run: Path, data: Path, test: tuple[str, ...], **spec: object) -> Path:
    """A run with a test part of its own; the other images trained it."""
    dark_bundle(run / "bundle", input=PLAIN.model_copy(update=spec))
    names = open_dataset(data).names
    parts = {"train": tuple(name for name in names if name not in test), "test": test}
    write_split(run / "split.json", Split(parts=parts))
    return run


def test_rows_that_were_counted_on_other_images_are_told(tmp_path: Path) -> None:
    """As many images of a part of the same name, but others."""
    data = write_kaggle(tmp_path / "data")
    runs = [
        write_run(tmp_path / name, data, test)
        for name, test in (
            ("a", ("CFD_1", "CFD_2")),
            ("b", ("CFD_2", "DeepCrack_1")),
            ("c", ("CFD_2", "CFD_1")),
        )
    ]
    trial = Trial(open_dataset(data), options=EvaluateOptions(draws=0))
    wanted = [parse_run(str(run)) for run in runs]
    told = "the rows were not counted on the same images: a, c on part test (2 images); b on part test (2"
    assert [note[: len(told)] for note in results(wanted, trial)[1]] == [told]
    assert not results([wanted[0], wanted[2]], trial)[1]
    for run in runs:
        evaluate_run(find_models(run), trial.dataset, options=trial.options).write(
            tmp_path / f"of-{run.name}"
        )
    read = [parse_run(f"{name}={tmp_path / f'of-{name}'}") for name in "abc"]
    assert [note[: len(told)] for note in results(read)[1]] == [told]
    file = tmp_path / "of-b" / "metrics.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({k: v for k, v in content.items() if k != "images_sha256"}), encoding="utf-8")
    assert not results(read)[1], "an older result does not tell its images"
    file.write_text(json.dumps({"figures": {}, "part": "test", "images": 3}), encoding="utf-8")
    assert "b on part test (3 images)" in results(read)[1][0]


def test_the_gallery_shows_no_run_on_images_that_trained_it(tmp_path: Path) -> None:
    data = write_kaggle(tmp_path / "data")
    runs = [
        write_run(tmp_path / "a", data, ("CFD_1", "CFD_2", "DeepCrack_1")),
        write_run(tmp_path / "b", data, ("CFD_2", "DeepCrack_1", "DeepCrack_2")),
    ]
    wanted, page = [parse_run(str(run)) for run in runs], tmp_path / "page.html"
    assert write_side_by_side(page, wanted, Trial(open_dataset(data))) == 2
    text = page.read_text(encoding="utf-8")
    assert [name for name in open_dataset(data).names if f">{name}<" in text] == ["CFD_2", "DeepCrack_1"]
    assert "2 images that are not in part 'test' of every run" in html.unescape(text)
    assert write_side_by_side(page, wanted[:1], Trial(open_dataset(data))) == 3
    assert "every run" not in page.read_text(encoding="utf-8")
    write_run(tmp_path / "b", data, ("noncrack_1",))
    assert write_side_by_side(page, wanted, Trial(open_dataset(data))) == 0
    assert "No images" in page.read_text(encoding="utf-8")


def test_the_gallery_shows_what_was_counted_on_the_grid_of_the_network(tmp_path: Path) -> None:
    """Each pixel of half the size is four; what is enlarged before it is cut has other edges."""
    data = write_kaggle(tmp_path / "data")
    run = parse_run(str(write_run(tmp_path / "a", data, ("CFD_1",), mode="resize", factor=0.5)))
    dataset, seen = open_dataset(data), {}
    for at in ("original", "network"):
        trial = Trial(dataset, at=at)
        assert write_side_by_side(tmp_path / "page.html", [run], trial) == 1
        text = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert ("on the grid of its network" in text) == (at == "network")
        png = base64.b64decode(re.findall(r"base64,([^']+)'", text)[2])
        seen[at] = np.asarray(Image.open(io.BytesIO(png))) > 0
        (row,) = evaluate(tmp_path / "a" / "bundle", dataset.subset(["CFD_1"]), part="all", at=at).rows  # type: ignore[union-attr]
        shrunk = 4 if at == "network" else 1
        assert seen[at].sum() == shrunk * row.classes[0].predicted_pixels
    assert seen["original"].shape == seen["network"].shape == (40, 48)
    assert seen["network"].any() and (seen["original"] != seen["network"]).any()


def test_wrong_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "x", "--like", "coredeep-9"]) == 2
    assert "coredeep-1" in capsys.readouterr().err
    assert main(["table", "x", "--like", "coredeep-1", "--at", "moon"]) == 2
    assert main(["table", str(tmp_path / "none"), "--like", "coredeep-1"]) == 3
