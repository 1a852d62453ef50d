from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawscope.reporting import overlay as module
from flawscope.reporting.annotate import draw_labels, draw_scale_bar, length_text, round_length
from flawscope.reporting.colours import UNSET, class_colours, ink_on, parse_colour, to_hex
from flawscope.reporting.overlay import Strokes, draw_overlay, write_overlay
from flawscope.types import ClassInfo, Scale

from .made import CLASSES, CRACK, SPALL, bar, finding_of

YELLOW = np.array(parse_colour("#ffd400"))


def grey(height: int = 300, width: int = 400, value: int = 128) -> np.ndarray:
    return np.full((height, width, 3), value, dtype=np.uint8)


def hairline() -> np.ndarray:
    pixels = np.zeros((300, 400), dtype=bool)
    pixels[150, 40:360] = True
    return pixels


def changed(image: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    return (image != drawn).any(axis=2)


def test_a_hairline_stays_visible_between_its_outlines() -> None:
    image, pixels = grey(), hairline()
    image[pixels] = 20
    drawn = draw_overlay(image, [finding_of(pixels, width_mean_px=1.0)], [CRACK])
    assert not changed(image, drawn)[150, 60:340].any()
    near = drawn[140:161, 100:180].astype(int)
    assert (np.abs(near - YELLOW).sum(axis=2) < 40).any(axis=0).mean() > 0.9


@pytest.mark.parametrize("value", [0, 60, 128, 200, 255])
def test_outlines_stand_out_on_every_brightness(value: int) -> None:
    image, pixels = grey(value=value), hairline()
    drawn = draw_overlay(image, [finding_of(pixels)], [CRACK]).astype(int).sum(axis=2)
    column = drawn[135:166, 120]
    assert column.max() - column.min() > 150
    assert (image[0, 0].astype(int).sum() - column.min() > 60) or (column.max() - 3 * value > 150)


def test_wide_findings_are_filled_so_that_the_picture_shows_through() -> None:
    image = grey()
    image[100:200:2, 100:200] = 60
    blob = np.zeros((300, 400), dtype=bool)
    blob[100:200, 100:200] = True
    drawn = draw_overlay(image, [finding_of(blob, kind="area", class_name="spall")], CLASSES)
    inside = drawn[140:160, 140:160].astype(int)
    assert changed(image, drawn)[140:160, 140:160].all()
    assert inside[1::2].mean() - inside[::2].mean() > 40


def test_neither_photograph_nor_size_changes_and_nothing_found_changes_nothing() -> None:
    image = grey()
    before = image.copy()
    drawn = draw_overlay(image, [bar((300, 400))], CLASSES, Scale(0.5))
    assert np.array_equal(image, before)
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
    assert np.array_equal(draw_overlay(image, [], CLASSES), image)


def test_blocks_join_without_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    image, found = grey(), [finding_of(hairline() | hairline()[:, ::-1].repeat(1, 0))]
    whole = draw_overlay(image, found, CLASSES)
    monkeypatch.setattr(module, "_BLOCK_PX", 37)
    assert np.array_equal(draw_overlay(image, found, CLASSES), whole)


def test_a_mask_draws_what_findings_do_not_tell() -> None:
    image = grey()
    mask = np.zeros((300, 400), dtype=np.uint8)
    mask[50:90, 50:90] = SPALL.id
    drawn = changed(image, draw_overlay(image, [], CLASSES, mask=mask))
    assert drawn[60:80, 60:80].all() and not drawn[120:].any()
    stack = np.stack([mask == 1, mask == 2], axis=-1)
    assert np.array_equal(drawn, changed(image, draw_overlay(image, [], CLASSES, mask=stack)))


def test_coordinates_follow_a_smaller_copy() -> None:
    pixels = hairline()
    drawn = draw_overlay(grey(150, 200), [finding_of(pixels)], CLASSES, size_hw=(300, 400))
    rows = np.nonzero(changed(grey(150, 200), drawn)[:, 40:50].any(axis=1))[0]
    assert abs(rows.mean() - 75) < 1
    reduced = draw_overlay(grey(150, 200), [], CLASSES, mask=pixels.astype(np.uint8), size_hw=(300, 400))
    assert changed(grey(150, 200), reduced)[:, 25:170].any(axis=0).all()


def test_long_sides_are_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.MAX_SIDE_PX == 8192
    monkeypatch.setattr(module, "MAX_SIDE_PX", 200)
    drawn = draw_overlay(grey(), [finding_of(hairline())], CLASSES, Scale(1.0))
    assert drawn.shape == (150, 200, 3)
    assert changed(grey(150, 200), drawn)[70:80].any()


def test_hundreds_of_findings_get_few_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = module.draw_labels
    monkeypatch.setattr(module, "draw_labels", lambda c, f, *rest: calls.append(len(f)) or real(c, f, *rest))
    pixels = np.zeros((300, 400), dtype=bool)
    pixels[10:12, 10:12] = True
    large = np.zeros((300, 400), dtype=bool)
    large[200, 100:130] = True
    specks = [finding_of(np.roll(pixels, 9 * k, 1), finding_id=k) for k in range(40)]
    draw_overlay(grey(), specks, CLASSES)  # smaller than their numbers
    draw_overlay(grey(), [finding_of(large)] * 200, CLASSES)
    assert calls == [5, module.MOST_LABELS]


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (12, 12)])
def test_tiny_pictures_are_drawn(size: tuple[int, int]) -> None:
    found = finding_of(np.ones(size, dtype=bool))
    assert draw_overlay(grey(*size), [found], CLASSES, Scale(0.1)).shape == (*size, 3)


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    image = grey(400, 1000, 90)
    drawn = draw_overlay(image, [], CLASSES, Scale(0.5))  # a quarter of 500 mm: 100 mm = 200 px
    runs = [int((row == 255).all(axis=1).sum()) for row in drawn]
    assert abs(max(runs) - 200) <= 2


def test_numbers_leave_the_scale_bar_free() -> None:
    pixels = np.zeros((400, 400), dtype=bool)
    pixels[375:379, 200:390] = True
    found = [finding_of(pixels, finding_id=k) for k in range(5)]
    bar_alone, box = draw_scale_bar(grey(400, 400), 0.5, Strokes.for_size((400, 400)).text)
    assert box is not None
    drawn = draw_labels(bar_alone, found, class_colours(CLASSES), (1.0, 1.0), 11, box)
    x0, y0, x1, y1 = (round(value) for value in box)
    assert np.array_equal(drawn[y0 + 1 : y1, x0 + 1 : x1], bar_alone[y0 + 1 : y1, x0 + 1 : x1])
    assert not np.array_equal(drawn, bar_alone)


@pytest.mark.parametrize(
    ("mm", "text"), [(0.02, "20 µm"), (0.5, "0.5 mm"), (20.0, "20 mm"), (200.0, "20 cm"), (5000.0, "5 m")]
)
def test_lengths_read_well(mm: float, text: str) -> None:
    assert length_text(mm) == text


def test_bars_have_round_lengths() -> None:
    assert [round_length(mm) for mm in (1.0, 1.9, 4.9, 7.3, 99.0, 100.0)] == [1.0, 1.0, 2.0, 5.0, 50.0, 100.0]


def test_strokes_grow_with_the_picture_and_reach_as_far_as_they_say() -> None:
    small, large = Strokes.for_size((200, 300)), Strokes.for_size((8000, 8000))
    assert small.line < large.line and small.text < large.text
    assert large.reach > large.gap + large.line + large.casing


def test_colours_differ_and_chosen_ones_stay() -> None:
    many = [ClassInfo(k + 1, str(k)) for k in range(8)]
    assert len(set(class_colours(many).values())) == 8
    assert class_colours([ClassInfo(1, "a", "#0102ff")])["a"] == (1, 2, 255)
    assert ClassInfo(1, "").colour == UNSET
    assert to_hex((1, 2, 255)) == "#0102ff"
    assert ink_on((255, 212, 0)) == (16, 16, 16) and ink_on((20, 20, 90)) == (255, 255, 255)
    with pytest.raises(ValueError, match="rrggbb"):
        parse_colour("red")


def test_overlays_are_jpegs_of_the_same_size(tmp_path: Path) -> None:
    write_overlay(tmp_path / "sub" / "ü b.jpg", grey(40, 50))
    with Image.open(io.BytesIO((tmp_path / "sub" / "ü b.jpg").read_bytes())) as read:
        assert (read.format, read.size) == ("JPEG", (50, 40))
