"""A whole run: outputs, names, failures, resume, shards."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.bundle import Bundle
from flawscope.errors import DataError, OutputError, UsageError
from flawscope.images import memory
from flawscope.inspection import mask_files, run
from flawscope.inspection.bands import RowSource
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.outputs import DEFAULT_FORMATS, FORMATS
from flawscope.inspection.run import RunSettings, inspect_folder
from flawscope.measurement.scale import ScaleTable, load_scale_file
from flawscope.reporting.tables import FINDINGS_COLUMNS, IMAGES_COLUMNS
from flawscope.types import RgbImage, Scale

from .runs import do, rows, tree
from .test_inspector import photograph
from .toy_networks import dark_bundle


def test_the_default_outputs_are_all_there(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    (photos / "notes.txt").write_text("x")
    result = do(bundle, photos, tmp_path / "out", scale=Scale(0.5))
    assert result.exit_code == 0
    assert result.skipped == 1
    assert tree(tmp_path / "out") == {
        "findings.csv", "images.csv", "report.html", "run.json",
        "masks/bar.png", "masks/clean.png", "masks/side a/größe 2.png",
        "overlays/bar.jpg", "overlays/clean.jpg", "overlays/side a/größe 2.jpg",
    }  # fmt: skip
    findings, images = rows(tmp_path / "out" / "findings.csv"), rows(tmp_path / "out" / "images.csv")
    assert tuple(findings[0]) == FINDINGS_COLUMNS
    assert tuple(images[0]) == IMAGES_COLUMNS
    assert [row["image"] for row in images] == ["bar.png", "clean.png", "side a/größe 2.png"]
    assert [row["verdict"] for row in images] == ["defect", "clean", "defect"]
    assert float(findings[0]["length_mm"]) == pytest.approx(100, rel=0.03)
    mask = np.asarray(Image.open(tmp_path / "out" / "masks" / "bar.png"))
    assert mask.dtype == np.uint8
    assert mask.shape == (200, 300)
    assert set(np.unique(mask)) == {0, 1}
    facts = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert facts["models"][0]["sha256"] == bundle.digest
    assert facts["scale"]["mm_per_px"] == [0.5]
    assert facts["counts"]["ok"] == 3


def test_other_formats_and_only_those(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    do(bundle, photos, tmp_path / "out", formats=("geojson", "coco", "json"))
    assert tree(tmp_path / "out") == {"findings.geojson", "coco.json", "findings.json", "run.json"}
    coco = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert [item["file_name"] for item in coco["images"]] == ["bar.png", "clean.png", "side a/größe 2.png"]
    assert coco["annotations"][0]["area"] == pytest.approx(1600, rel=0.02)
    with pytest.raises(UsageError, match="pdf is not known"):
        do(bundle, photos, tmp_path / "out", formats=("csv", "pdf"))


def test_equal_stems_keep_their_suffix(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(photograph()).save(folder / "a.jpg")
    Image.fromarray(photograph()).save(folder / "a.png")
    do(bundle, folder, tmp_path / "out", formats=("masks", "csv"))
    assert {"masks/a.jpg.png", "masks/a.png.png"} <= tree(tmp_path / "out")
    assert [row["image"] for row in rows(tmp_path / "out" / "images.csv")] == ["a.jpg", "a.png"]


def test_the_record_tells_which_mask_and_overlay_are_of_which_image(bundle: Bundle, tmp_path: Path) -> None:
    for folder in ("east", "west"):
        (tmp_path / folder).mkdir()
        Image.fromarray(photograph()).save(tmp_path / folder / "a.jpg")
    (tmp_path / "west" / "bad.jpg").write_bytes(b"no image")
    out = tmp_path / "out"
    do(bundle, tmp_path / "east", out, inputs=(tmp_path / "east", tmp_path / "west"))
    told = json.loads((out / "run.json").read_text(encoding="utf-8"))["outputs"]
    assert told == {
        f"{folder}/a.jpg": [f"masks/{folder}/a.png", f"overlays/{folder}/a.jpg"]
        for folder in ("east", "west")
    }
    assert {name for names in told.values() for name in names} <= tree(out)


def test_an_image_is_told_by_its_own_name(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("x.jpg", "x.jpg.jpg"):
        Image.fromarray(photograph()).save(folder / name)
    scales = {"x.jpg": Scale(0.1), "x.jpg.jpg": Scale(0.3)}
    do(bundle, folder, tmp_path / "out", formats=("masks", "csv", "coco"), scales=ScaleTable(images=scales))
    images = rows(tmp_path / "out" / "images.csv")
    assert [row["image"] for row in images] == ["x.jpg", "x.jpg.jpg"]
    assert float(images[1]["length_mm"]) == pytest.approx(3 * float(images[0]["length_mm"]), rel=1e-3)
    coco = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert [item["file_name"] for item in coco["images"]] == ["x.jpg", "x.jpg.jpg"]


def test_names_that_are_no_text_are_inspected_and_resumed(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    try:
        for name in (b"fa\xe7ade.png", b"fa\xe8ade.png"):
            Image.fromarray(photograph()).save(Path(os.fsdecode(os.fsencode(folder) + b"/" + name)))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    for resumed in (0, 2):
        result = do(bundle, folder, tmp_path / "out", formats=FORMATS, resume=True)
        assert (result.exit_code, result.resumed) == (0, resumed)
    images = [row["image"] for row in rows(tmp_path / "out" / "images.csv")]
    assert images == ["fa\\udce7ade.png", "fa\\udce8ade.png"]
    assert "overlays/fa%E7ade.jpg" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_bad_images_are_named_and_the_rest_is_done(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "text.jpg").write_text("hello, this is text")
    data = (photos / "bar.png").read_bytes()
    (photos / "cut.png").write_bytes(data[: len(data) // 2])
    seen = []
    result = inspect_folder(
        Inspector(bundle),
        RunSettings((photos,), tmp_path / "out"),
        lambda done, total, item: seen.append((done, total, item.status)),
    )
    assert result.exit_code == 1
    assert sorted(item.image for item in result.failed) == ["cut.png", "empty.jpg", "text.jpg"]
    assert [item[:2] for item in seen] == [(i, 6) for i in range(1, 7)]
    images = {row["image"]: row for row in rows(tmp_path / "out" / "images.csv")}
    assert images["text.jpg"]["status"] == "failed"
    assert "text.jpg" in images["text.jpg"]["error"]
    assert "\n" not in images["text.jpg"]["error"]
    assert str(photos) not in images["text.jpg"]["error"]
    assert images["bar.png"]["status"] == "ok"
    assert not [name for name in tree(tmp_path / "out") if "cut" in name or "empty" in name]
    assert "text.jpg" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert result.summary()["failed"][0]["image"] == "cut.png"


@pytest.mark.parametrize("reason", ["unreadable", "out of memory"])
def test_nothing_stays_of_an_image_that_fails_now(
    reason: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, out = dark_bundle(tmp_path / "two", ("crack", "spall"), multi_label=True), tmp_path / "out"
    do(bundle, photos, out, formats=(*DEFAULT_FORMATS, "submission"))
    before = tree(out)
    real = run.write_image

    def fails(out: Path, stem_path: str, *given: object) -> None:
        if stem_path == "bar":
            raise MemoryError
        real(out, stem_path, *given)  # type: ignore[arg-type]

    if reason == "unreadable":
        (photos / "bar.png").write_bytes(b"")
    else:
        monkeypatch.setattr(run, "write_image", fails)
    result = do(bundle, photos, out, formats=("csv", "html", "masks"))
    assert [item.image for item in result.failed] == ["bar.png"]
    other_formats = {name for name in before if name.startswith(("overlays/", "submission"))}
    gone = {"masks/bar.png", "masks/bar.c1.png", "masks/bar.c2.png", *other_formats}
    assert (before - tree(out), tree(out) - before) == (gone, set())
    assert len([*(out / ".flawscope").glob("*.jpg")]) == 2 and not [*(out / ".flawscope").glob("*.rle")]
    status = {row["image"]: row["status"] for row in rows(out / "images.csv")}
    assert status == {"bar.png": "failed", "clean.png": "ok", "side a/größe 2.png": "ok"}


def test_no_memory_for_explaining_fails_the_image_alone(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    class Greedy:
        def draw(self, source: RowSource) -> RgbImage:
            if source.size_hw == (50, 60):
                raise MemoryError
            return photograph()

    result = do(bundle, photos, tmp_path / "out", explainer=Greedy())
    assert [(item.image, item.error[:14]) for item in result.failed] == [("clean.png", "memory ran out")]
    assert {name for name in tree(tmp_path / "out") if "clean" in name} == set()
    assert {"masks/bar.png", "explain/bar.png"} <= tree(tmp_path / "out")


def test_nothing_but_bad_images_is_exit_code_three(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"")
    assert do(bundle, folder, tmp_path / "out").exit_code == 3
    (folder / "a.jpg").unlink()
    with pytest.raises(DataError, match="no image"):
        do(bundle, folder, tmp_path / "out")


def test_wrong_folders_are_refused_before_any_work(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="also the input"):
        do(bundle, photos, photos)
    with pytest.raises(UsageError, match="no such file"):
        do(bundle, tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        do(bundle, photos, tmp_path / "file" / "out")
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(OutputError):
            do(bundle, photos, tmp_path / "locked")
    with pytest.raises(UsageError, match="I from 1 to N"):
        do(bundle, photos, tmp_path / "out", shard=(3, 2))


def test_outputs_inside_the_input_are_not_inspected_next_time(bundle: Bundle, photos: Path) -> None:
    for _ in range(2):
        assert len(do(bundle, photos, photos / "out").inspections) == 3


def test_a_full_disk_stops_the_run_and_resume_goes_on(
    bundle: Bundle, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    real = run.write_image
    calls = []

    def full(*given: object) -> None:
        calls.append(given)
        if len(calls) == 2:
            raise OutputError("no space left")
        real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "write_image", full)
    with pytest.raises(OutputError):
        do(bundle, photos, out)
    assert "images.csv" not in tree(out)
    result = do(bundle, photos, out, resume=True)
    assert (result.resumed, len(calls)) == (1, 4)
    unbroken = do(bundle, photos, tmp_path / "other")
    for name in ("findings.csv",):
        assert (out / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    assert unbroken.resumed == 0


def test_resume_does_again_what_changed(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    do(bundle, photos, out, formats=("csv",))
    assert do(bundle, photos, out, formats=("csv",), resume=True).resumed == 3
    assert do(bundle, photos, out, formats=("csv", "masks"), resume=True).resumed == 0
    Image.fromarray(photograph(220, 320)).save(photos / "bar.png")
    (photos / "new.jpg").write_bytes(b"")
    result = do(bundle, photos, out, formats=("csv",), resume=True)
    assert (result.resumed, len(result.inspections), len(result.failed)) == (2, 4, 1)
    other = Inspector(bundle, thresholds={"crack": 0.9})
    settings = RunSettings((photos,), out, formats=("csv",), resume=True)
    assert inspect_folder(other, settings).resumed == 0
    assert do(bundle, photos, out, formats=("csv",), resume=True, scale=Scale(0.1)).resumed == 0


def test_a_resumed_run_writes_the_same_findings(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    formats = ("csv", "html", "json", "coco", "geojson")
    do(bundle, photos, tmp_path / "out", formats=formats, scale=Scale(0.2, u_rel=0.02))
    names = ("findings.csv", "findings.json", "findings.geojson")
    before = {name: (tmp_path / "out" / name).read_bytes() for name in names}
    again = do(bundle, photos, tmp_path / "out", formats=formats, scale=Scale(0.2, u_rel=0.02), resume=True)
    assert again.resumed == 3
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == before[name]


def test_shards_together_are_the_whole(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    counts = [len(do(bundle, photos, tmp_path / "out", shard=(i, 2)).inspections) for i in (1, 2)]
    assert counts == [2, 3]
    do(bundle, photos, tmp_path / "whole")
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    name = "findings.csv"
    assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_last_shard_tells_what_failed_in_the_others(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    (photos / "aa.png").write_bytes(b"")
    (photos / "zz.png").write_bytes(b"")
    for shard in ((1, 2), (2, 2)):
        result = do(bundle, photos, tmp_path / "out", shard=shard)
    assert result.exit_code == 1
    assert [item.image for item in result.failed] == ["aa.png", "zz.png"]
    images = {row["image"]: row["status"] for row in rows(tmp_path / "out" / "images.csv")}
    assert (len(images), images["aa.png"], images["zz.png"]) == (5, "failed", "failed")
    assert "aa.png" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_resume_tries_failed_images_again(
    bundle: Bundle, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = do(bundle, photos, tmp_path / "out", max_pixels=62_000).failed
    assert len(failed) == 1
    result = do(bundle, photos, tmp_path / "out", resume=True)
    assert (result.resumed, result.exit_code) == (2, 0)


def test_scales_from_a_file(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "scales.csv").write_text("image,mm_per_px\nbar.png,0.1\nside a/größe 2.png,0.3\n", "utf-8")
    table = load_scale_file(tmp_path / "scales.csv")
    do(bundle, photos, tmp_path / "out", scales=table, scale=Scale(9.0))
    found = {row["image"]: row["length_mm"] for row in rows(tmp_path / "out" / "images.csv")}
    assert float(found["bar.png"]) < 40 < float(found["side a/größe 2.png"])
    facts = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert facts["scale"]["mm_per_px"] == [0.1, 0.3, 9.0]
    assert "file:scales.csv" in facts["scale"]["source"]


def test_overlapping_classes_have_a_mask_each(photos: Path, tmp_path: Path) -> None:
    two = dark_bundle(tmp_path / "two", ("crack", "spall"), multi_label=True)
    do(two, photos, tmp_path / "out", formats=("masks",))
    assert {"masks/bar.png", "masks/bar.c1.png", "masks/bar.c2.png"} <= tree(tmp_path / "out")
    assert set(np.unique(np.asarray(Image.open(tmp_path / "out" / "masks" / "bar.c1.png")))) == {0, 255}


def test_large_masks_are_tiled_tiffs(
    bundle: Bundle, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mask_files, "TIFF_FROM_PIXELS", 50_000)
    do(bundle, photos, tmp_path / "out", formats=("masks",))
    assert {"masks/bar.tif", "masks/clean.png"} <= tree(tmp_path / "out")
    with Image.open(tmp_path / "out" / "masks" / "bar.tif") as opened:
        assert np.asarray(opened)[62, 100] == 1
        assert opened.info["compression"] == "tiff_adobe_deflate"


def test_a_too_large_image_fails_alone(bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    result = do(bundle, photos, tmp_path / "out", max_pixels=62_000)
    assert result.exit_code == 1
    (failed,) = result.failed
    assert failed.image == "side a/größe 2.png"
    assert "--max-pixels" in failed.error


def test_an_image_that_no_memory_holds_at_its_working_scale_is_refused(
    bundle: Bundle, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.full((1000, 1000, 3), 220, np.uint8)).save(photos / "large.png")
    monkeypatch.setattr(memory, "available_bytes", lambda: 100_000_000)
    monkeypatch.setattr(memory, "_SMALL_BYTES", 0)
    assert do(bundle, photos, tmp_path / "out").exit_code == 0
    greedy = Inspector(bundle, options=PredictOptions(scales=(3.0,)))
    result = inspect_folder(greedy, RunSettings((photos,), tmp_path / "out"))
    assert [item.image for item in result.failed] == ["large.png"]
    assert "103 MB" in result.failed[0].error


def test_conversions_and_one_pixel_are_done(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    picture = Image.fromarray(photograph())
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    picture.convert("1", dither=Image.Dither.NONE).save(folder / "bit.png")
    Image.fromarray(photograph()[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    picture.crop((0, 0, 1, 1)).save(folder / "one.png")
    result = do(bundle, folder, tmp_path / "out")
    assert result.exit_code == 0
    found = {item.image: item for item in result.inspections}
    assert found["cmyk.jpg"].notes
    assert found["one.png"].size_hw == (1, 1)
    assert found["deep.png"].verdict == "defect"
