"""An output folder that is used again, by one run after another or by several at once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import flawscope
from flawscope.bundle import Bundle
from flawscope.images.listing import list_images
from flawscope.inspection import run
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.outputs import FORMATS
from flawscope.inspection.run import RunSettings, inspect_folder
from flawscope.measurement.scale import ScaleTable
from flawscope.types import Scale

from .runs import do, rows, tree
from .toy_networks import dark_bundle


def test_a_folder_tells_of_the_latest_run_alone(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    do(bundle, photos, out, formats=FORMATS)
    do(bundle, photos / "bar.png", out, formats=("csv", "masks"))
    assert tree(out) == {"findings.csv", "images.csv", "run.json", "masks/bar.png"}
    assert [row["image"] for row in rows(out / "images.csv")] == ["bar.png"]
    do(bundle, photos, out, formats=("html",), resume=True)
    assert tree(out) == {"report.html", "run.json"}, "also where images are left out that are done"


def test_nothing_that_a_run_writes_is_an_image_of_the_next(
    bundle: Bundle, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    do(bundle, photos, out, formats=FORMATS)
    assert list(out.rglob("*.png"))
    assert list(out.rglob("*.jpg"))
    assert list_images([out])[0] == []


def test_what_others_put_into_the_folder_stays(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("coco.json", "masks/bar.png", "masks/clean.png", "overlays/clean.txt", "notes.md"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    own = tree(out)
    do(bundle, photos, out, formats=("csv", "overlays", "html"))
    (photos / "bar.png").write_bytes(b"")
    do(bundle, photos, out, formats=("csv",))
    do(bundle, photos / "side a", out, formats=("geojson",))
    assert tree(out) == own | {"findings.geojson", "run.json"}
    assert {(out / name).read_text() for name in own} == {"mine"}


def test_notes_that_travelled_remove_nothing_outside(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    out, hidden = tmp_path / "out", tmp_path / "out" / ".flawscope"
    do(bundle, photos, out, formats=("csv",))
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    (hidden / "run_files.json").write_text(json.dumps(["../mine.txt", str(mine), "..", 3]))
    entry = {"files": ["../mine.txt", str(mine), "masks/../../mine.txt"]}
    (hidden / f"{'0' * 32}.json").write_text(json.dumps(entry))
    do(bundle, photos, out, formats=("csv",))
    assert mine.read_text() == "mine"
    assert not (hidden / f"{'0' * 32}.json").exists()


def test_an_interrupted_run_leaves_no_tables_of_the_one_before(
    bundle: Bundle, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    do(bundle, photos, out)
    before = tree(out)

    def stop(done: int, total: int, result: object) -> None:
        raise KeyboardInterrupt

    other = Inspector(bundle, thresholds={"crack": 0.9})
    with pytest.raises(KeyboardInterrupt):
        inspect_folder(other, RunSettings((photos,), out), stop)
    assert before - tree(out) == {"findings.csv", "images.csv", "report.html", "run.json"}
    do(bundle, photos, out)
    for shared in ({"resume": True}, {"shard": (1, 2)}):
        with pytest.raises(KeyboardInterrupt):
            inspect_folder(other, replace(RunSettings((photos,), out), **shared), stop)  # type: ignore[arg-type]
        assert tree(out) == before, "rows of others stay"


@pytest.mark.parametrize("killed", ["while it writes an image", "while it writes the tables"])
def test_files_of_a_run_that_was_killed_are_known_to_the_next(
    killed: str, bundle: Bundle, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, name = tmp_path / "out", "write_image" if killed.endswith("image") else "write_run"
    real = getattr(run, name)

    def cut(*given: object) -> None:
        real(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, name, cut)
    with pytest.raises(KeyboardInterrupt):
        do(bundle, photos / "bar.png", out)
    assert {"masks/bar.png", "overlays/bar.jpg"} <= tree(out)
    monkeypatch.undo()
    do(bundle, photos / "clean.png", out, formats=("csv",))
    assert tree(out) == {"findings.csv", "images.csv", "run.json"}


def test_a_shard_that_ends_meanwhile_is_not_lost(
    bundle: Bundle, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real, writes = tmp_path / "out", run.write_run, []

    def slow(*given: object) -> object:
        writes.append(given)
        if len(writes) == 1:
            do(bundle, photos, out, shard=(2, 2), formats=("csv", "html"))
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "write_run", slow)
    result = do(bundle, photos, out, shard=(1, 2), formats=("csv", "html"))
    assert len(rows(out / "images.csv")) == len(result.inspections) == 3
    assert len(writes) == 3, "the first, the other shard's, and the first once more"


def test_only_results_of_this_very_run_join_the_tables(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    out, said = tmp_path / "out", list[str]()
    (photos / "aa.png").write_bytes(b"")
    settings = RunSettings((photos,), out, formats=("csv", "masks"), shard=(1, 2))
    inspect_folder(Inspector(bundle), settings)
    second = replace(settings, shard=(2, 2))
    scales = ScaleTable(images={"clean": Scale(0.1)})
    result = inspect_folder(Inspector(bundle), replace(second, scales=scales), tell=said.append)
    assert [item.image for item in result.inspections] == ["aa.png", "bar.png", "side a/größe 2.png"]
    assert said[-1] == "1 of 4 images are not in the tables (done with another scale): clean.png"
    assert result.summary()["notes"] == said
    assert json.loads((out / "run.json").read_text("utf-8"))["notes"] == said
    (out / "masks" / "clean.png").unlink()
    result = inspect_folder(Inspector(bundle), second)
    assert result.notes == ("1 of 4 images are not in the tables (with no file in masks): clean.png",)
    other = inspect_folder(Inspector(bundle, thresholds={"crack": 0.9}), second)
    assert other.notes == (
        "2 of 4 images are not in the tables (not done yet with these settings): aa.png, clean.png",
    )


def test_a_share_without_images_says_so(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    result = do(bundle, photos, tmp_path / "out", shard=(5, 5))
    assert (result.exit_code, result.inspections) == (0, ())
    assert result.notes[0] == "shard 5/5 has no image to do: there are 3 in all"
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Shard 5/5 has no image to do: there are 3 in all." in html


def test_scales_that_serve_no_image_are_named(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    scales = ScaleTable(images={"bra.png": Scale(0.1), "clean": Scale(0.1)})
    result = do(bundle, photos, tmp_path / "out", formats=("csv",), scales=scales)
    assert result.notes == (
        "the scale file names what is no image of this run: bra.png",
        "2 of 3 images have no scale",
    )
    result = do(bundle, photos, tmp_path / "out", formats=("csv",), scales=scales, scale=Scale(1.0))
    assert len(result.notes) == 1
    assert do(bundle, photos, tmp_path / "out", formats=("csv",)).notes == ()


def test_another_version_does_the_images_again(
    bundle: Bundle, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(bundle, photos, tmp_path / "out", formats=("csv",))
    monkeypatch.setattr(flawscope, "__version__", "99.0")
    assert do(bundle, photos, tmp_path / "out", formats=("csv",), resume=True).resumed == 0


def test_pixels_of_two_classes_count_once(photos: Path, tmp_path: Path) -> None:
    out, names = tmp_path / "out", ("crack", "spall")
    inspector = Inspector(dark_bundle(tmp_path / "two", names, multi_label=True), thresholds={"spall": 0.0})
    share = inspector.inspect(photos / "bar.png")
    assert share.prediction is not None and share.prediction.stack is not None
    assert share.prediction.stack.sum() > share.prediction.stack.any(axis=0).sum(), "classes overlap"
    for resume in (False, True):
        settings = RunSettings((photos / "bar.png",), out, formats=("csv",), resume=resume)
        assert inspect_folder(inspector, settings).resumed == resume
        (row,) = rows(out / "images.csv")
        assert float(row["defect_fraction"]) == pytest.approx(
            share.prediction.stack.any(axis=0).mean(), abs=1e-6
        )
    (entry,) = [path for path in (out / ".flawscope").glob("*.json") if len(path.stem) == 32]
    older = json.loads(entry.read_text())
    del older["inspection"]["defect_fraction"], older["files"]
    entry.write_text(json.dumps(older))
    assert inspect_folder(inspector, settings).resumed == 1, "entries without it still count"
