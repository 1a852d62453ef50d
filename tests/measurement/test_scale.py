"""Scales from text and from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from flawscope.errors import UsageError
from flawscope.measurement.scale import ScaleTable, load_scale_file, parse_scale
from flawscope.types import Scale


@pytest.mark.parametrize(
    ("text", "mm", "u_rel"),
    [
        ("0.2mm", 0.2, 0),
        (" 0.2 mm/px ", 0.2, 0),
        ("200um", 0.2, 0),
        ("200µm", 0.2, 0),
        ("0,5mm", 0.5, 0),
        ("1cm", 10, 0),
        ("5px/mm", 0.2, 0),
        ("254dpi", 0.1, 0),
        ("0.2mm +-2%", 0.2, 0.02),
        ("0.2mm ± 1.5 %", 0.2, 0.015),
    ],
)
def test_scales_are_read(text: str, mm: float, u_rel: float) -> None:
    scale = parse_scale(text)
    assert scale.mm_per_px == pytest.approx(mm)
    assert scale.u_rel == pytest.approx(u_rel)


@pytest.mark.parametrize(
    "text", ["", "mm", "0mm", "-1mm", "0.2", "0.2 furlongs", "nanmm", "1e9m", "0px/mm", "1 2mm"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"0\.2mm"):
        parse_scale(text)


CSV = "image,mm_per_px,u_rel\na/b.jpg,0.2,0.01\nc.jpg,300um,\n*,0.5mm,\n"
JSON = '{"default": 0.5, "images": {"a/b.jpg": {"mm_per_px": 0.2, "u_rel": 0.01}, "c.jpg": "300um"}}'
TOML = 'default = "0.5mm"\n[images]\n"a/b.jpg" = {mm_per_px = 0.2, u_rel = 0.01}\n"c.jpg" = "300um"\n'


@pytest.mark.parametrize(("name", "text"), [("s.csv", CSV), ("s.json", JSON), ("s.toml", TOML)])
def test_scale_files_say_the_same_in_three_formats(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    table = load_scale_file(path)
    scale = table.for_image("a/b.jpg")
    assert scale is not None
    assert (scale.mm_per_px, scale.u_rel, scale.source) == (0.2, 0.01, f"file:{name}")
    assert table.for_image("deep/c.jpg").mm_per_px == pytest.approx(0.3)  # by its bare name
    assert table.for_image("other.jpg").mm_per_px == 0.5


def test_an_image_without_a_scale_has_none(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"a": "1mm"}')
    table = load_scale_file(path)
    assert table.for_image("x/a.png").mm_per_px == 1
    assert table.for_image("b.png") is None


def test_a_file_without_rows_has_no_scales(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("image,mm_per_px\n")
    assert load_scale_file(path) == ScaleTable()


def test_names_that_serve_no_image_are_known() -> None:
    table = ScaleTable(Scale(9.0), dict.fromkeys(("a/b.jpg", "b.jpg", "c", "d.jpg"), Scale(1.0)))
    assert table.unused(["a/b.jpg", "deep/c.png", "e.jpg"]) == ["b.jpg", "d.jpg"]
    assert table.unused(["a/b.jpg", "x/b.jpg", "c.jpg", "d.jpg"]) == []


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("s.txt", "", "no .csv"),
        ("s.csv", "file,scale\na,1\n", "columns"),
        ("s.csv", "file,scale\n", r"columns \['file', 'scale'\]"),
        ("s.csv", "", "columns"),
        ("s.csv", "image,mm_per_px\na,1\na,2\n", "two scales"),
        ("s.csv", "image,mm_per_px\na,-1\n", "s.csv, a"),
        ("s.json", "{", "no JSON"),
        ("s.json", "[1]", "holds a list"),
        ("s.json", '{"images": {}, "extra": 1}', "extra"),
        ("s.json", '{"a": true}', "not understood"),
        ("s.json", '{"a": {"mm": 1}}', "mm_per_px"),
        ("s.json", '{"a": {"mm_per_px": 1, "u_rel": 2}}', "uncertainty"),
        ("s.toml", "a =", "no TOML"),
    ],
)
def test_malformed_files_are_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        load_scale_file(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_scale_file(tmp_path / "none.csv")
