"""Images of any encoding come out upright, 8-bit RGB; files that are no images are named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from flawscope.errors import ImageError, MemoryLimitError
from flawscope.images import memory
from flawscope.images.sources import open_windowed, read_image, read_mask_file, read_size

RGB = np.random.default_rng(0).integers(0, 256, (41, 60, 3), dtype=np.uint8)
PICTURE = Image.fromarray(RGB)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_every_exif_turn_comes_out_upright_in_whole_and_in_bands(
    tmp_path: Path, turn: int, suffix: str
) -> None:
    path = tmp_path / f"x.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = turn
    if suffix == "png":
        PICTURE.save(path, exif=exif)
    else:
        PICTURE.save(path, tiffinfo={0x0112: turn})
    expected = np.array(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    loaded = read_image(path)
    assert np.array_equal(loaded.pixels, expected)
    assert loaded.size_hw == read_size(path) == expected.shape[:2]
    assert ("turned upright as EXIF says" in loaded.notes) == (turn != 1)
    source = open_windowed(path)
    bands = [source.read(y, y + 7) for y in range(0, source.size_hw[0], 7)]
    assert np.array_equal(np.concatenate(bands), expected)
    assert np.array_equal(read_mask_file(path), expected)


@pytest.mark.parametrize(
    ("mode", "suffix", "word"),
    [
        ("RGB", "png", ""),
        ("L", "png", ""),
        ("1", "png", "1-bit"),
        ("CMYK", "jpg", "CMYK"),
        ("P", "png", "palette"),
        ("LAB", "tif", "LAB"),
    ],
)
def test_modes_are_converted_and_noted(tmp_path: Path, mode: str, suffix: str, word: str) -> None:
    path = tmp_path / f"x.{suffix}"
    if mode == "LAB":
        Image.frombytes("LAB", (4, 5), bytes(60)).save(path)
    else:
        PICTURE.convert(mode).save(path)
    loaded = read_image(path)
    assert loaded.pixels.dtype == np.uint8
    assert loaded.pixels.shape[2] == 3
    assert word in " ".join(loaded.notes)
    assert bool(loaded.notes) == bool(word)


def test_alpha_is_laid_over_white(tmp_path: Path) -> None:
    rgba = np.zeros((4, 6, 4), np.uint8)
    rgba[:, 3:, 3] = 255
    Image.fromarray(rgba).save(tmp_path / "x.png")
    loaded = read_image(tmp_path / "x.png")
    assert (loaded.pixels[:, :3] == 255).all()
    assert (loaded.pixels[:, 3:] == 0).all()
    assert "alpha" in loaded.notes[0]


def test_opaque_alpha_is_nothing_to_tell(tmp_path: Path) -> None:
    PICTURE.convert("RGBA").save(tmp_path / "x.png")
    loaded = read_image(tmp_path / "x.png")
    assert np.array_equal(loaded.pixels, RGB)
    assert loaded.notes == ()


def test_palette_with_alpha_in_bands(tmp_path: Path) -> None:
    palette = PICTURE.convert("P")
    palette.save(tmp_path / "x.png", transparency=int(np.asarray(palette)[0, 0]))
    whole = read_image(tmp_path / "x.png")
    assert "palette with alpha" in whole.notes[0]
    assert (whole.pixels[0, 0] == 255).all()
    assert np.array_equal(open_windowed(tmp_path / "x.png").read(5, 9), whole.pixels[5:9])


@pytest.mark.parametrize(("top", "bits"), [(255, 8), (1000, 10), (4095, 12), (65535, 16)])
def test_16_bit_scales_from_the_bits_in_use(tmp_path: Path, top: int, bits: int) -> None:
    values = np.linspace(0, top, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "x.png")
    loaded = read_image(tmp_path / "x.png")
    expected = np.rint(values * (255 / (2**bits - 1)))
    assert np.array_equal(loaded.pixels[..., 0], expected)
    assert f"{bits} used bits" in loaded.notes[0]
    assert read_mask_file(tmp_path / "x.png").max() == top


def test_float_images(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 0.5, 1]], np.float32)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").pixels[0, :, 0].tolist() == [0, 128, 255]
    Image.fromarray(np.array([[-10, 0, 10]], np.float32)).save(tmp_path / "b.tif")
    assert read_image(tmp_path / "b.tif").pixels[0, :, 0].tolist() == [0, 128, 255]


def test_float_images_keep_the_range_of_their_finite_pixels(tmp_path: Path) -> None:
    ramp = np.linspace(37, 227, 60, dtype=np.float32).reshape(6, 10)
    Image.fromarray(ramp).save(tmp_path / "x.tif")
    whole = read_image(tmp_path / "x.tif")
    assert whole.notes == ("values 37..227 scaled to 8 bits",)
    for value in (np.nan, np.inf, -np.inf):
        holed = ramp.copy()
        holed[2, 3:5] = value
        Image.fromarray(holed).save(tmp_path / "x.tif")
        loaded = read_image(tmp_path / "x.tif")
        expected = whole.pixels.copy()
        expected[2, 3:5] = 0
        assert np.array_equal(loaded.pixels, expected)
        assert loaded.notes[0].endswith("pixels without a finite number made black (2)")
    unit = np.array([[0, 0.5, np.nan, 0.75]], np.float32)
    Image.fromarray(unit).save(tmp_path / "x.tif")
    assert read_image(tmp_path / "x.tif").pixels[0, :, 0].tolist() == [0, 128, 0, 191]


def test_float_image_without_a_finite_pixel_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 5), np.nan, np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(ImageError, match=r"x\.tif: none of its pixels holds a finite number"):
        read_image(tmp_path / "x.tif")


@pytest.mark.parametrize("marker", [-9999.0, -32768.0, 1e20, float(np.finfo(np.float32).min)])
@pytest.mark.parametrize("declared", [True, False])
def test_markers_of_missing_data_do_not_flatten_the_picture(
    tmp_path: Path, marker: float, declared: bool
) -> None:
    ramp = np.linspace(37, 227, 60, dtype=np.float32).reshape(6, 10)
    ramp[1:3, 4:] = marker
    tags = {42113: repr(marker)} if declared else {}
    Image.fromarray(ramp).save(tmp_path / "x.tif", tiffinfo=tags)
    loaded = read_image(tmp_path / "x.tif")
    known = ramp != np.float32(marker)
    expected = np.rint((ramp[known].astype(np.float64) - 37) * (255 / 190))
    assert np.array_equal(loaded.pixels[known][:, 0], expected)
    assert "taken for no data" in loaded.notes[0]


def test_declared_missing_data_of_whole_numbers(tmp_path: Path) -> None:
    values = np.arange(60, dtype=np.uint16).reshape(6, 10) * 60
    values[0, :3] = 65535
    Image.fromarray(values).save(tmp_path / "x.tif", tiffinfo={42113: "65535"})
    loaded = read_image(tmp_path / "x.tif")
    assert "12 used bits; the value 65535 taken for no data" in loaded.notes[0]


def test_grey_levels_far_apart_are_no_missing_data(tmp_path: Path) -> None:
    # A lone highlight, two levels only, and a spread without a lone value: all read as they are.
    for values in ([0, 1, 2, 255], [-1, 400, 400, -1], [-1e4, 100, 200, 1e4]):
        Image.fromarray(np.array([values], np.float32)).save(tmp_path / "x.tif")
        loaded = read_image(tmp_path / "x.tif")
        assert "no data" not in loaded.notes[0]
        assert (loaded.pixels.min(), loaded.pixels.max()) == (0, 255)


def test_one_pixel_and_names_of_any_script(tmp_path: Path) -> None:
    path = tmp_path / "Brücke 橋 1.png"
    Image.fromarray(RGB[:1, :1]).save(path)
    assert read_image(path).size_hw == (1, 1)


def test_first_page_is_read_and_said(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "x.tif", save_all=True, append_images=[PICTURE.rotate(180)])
    loaded = read_image(tmp_path / "x.tif")
    assert np.array_equal(loaded.pixels, RGB)
    assert "first of 2 pages" in loaded.notes


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jpg", b"", "the file is empty"),
        ("a.jpg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        ("a.jpg", b"hello, this is text\n", "plain text"),
        ("a.jpg", b"\xef\xbb\xbf<!DOCTYPE html><html>", "HTML"),
        ("a.png", bytes(100), "zero bytes"),
        ("a.png", b"\x01\x02\x03\x00" * 10, "unknown bytes"),
        ("a.png", b"%PDF-1.7", "PDF"),
        ("a.jpg", b"\x00\x00\x00\x18ftypheic0000", "HEIC"),
        ("a.jpg", b"\x00\x00\x00\x18ftypisom0000", "video"),
        ("a.png", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    ],
)
def test_what_is_no_image_is_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for reader in (read_image, read_size, read_mask_file):
        with pytest.raises(ImageError, match=says) as caught:
            reader(path)
        assert str(path) in str(caught.value)


def test_mislabelled_image_is_refused_with_the_right_name(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / "x.jpg")
    with pytest.raises(ImageError, match=r"holds PNG data.*\n.*x\.png"):
        read_image(tmp_path / "x.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "bmp", "webp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"x.{suffix}"
    PICTURE.save(path, **({"lossless": True} if suffix == "webp" else {}))
    content = path.read_bytes()
    path.write_bytes(content[: max(4, int(share * len(content)))])
    with pytest.raises(ImageError):
        read_image(path)


@pytest.mark.parametrize("suffix", ["gif", "tif"])
def test_damage_in_a_later_page_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    PICTURE.save(path, save_all=True, append_images=[PICTURE.rotate(90), PICTURE.rotate(180)])
    whole, refused = path.read_bytes(), 0
    for length in range(int(0.34 * len(whole)), int(0.67 * len(whole)), len(whole) // 200):
        path.write_bytes(whole[:length])
        try:
            read_image(path)
        except ImageError as error:  # from an IndexError, a TypeError, ... of Pillow's count of the pages
            refused += f"damaged {path.suffix[1:].upper()}" in str(error)
    assert refused > 20


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_pipe_named_as_an_image_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.jpg")
    for reader in (read_image, read_size, read_mask_file):
        with pytest.raises(ImageError, match="it is a pipe"):
            reader(tmp_path / "x.jpg")


def test_absent_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        read_image(tmp_path / "x.png")
    (tmp_path / "y.png").mkdir()
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path / "y.png")


def test_pixel_limit_is_an_argument_not_a_switch(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    path = tmp_path / "x.png"
    PICTURE.save(path)
    with pytest.raises(MemoryLimitError, match=r"(?s)60 x 41 px.*--max-pixels"):
        read_image(path, max_pixels=100)
    assert read_image(path, max_pixels=41 * 60).size_hw == (41, 60)
    assert before == Image.MAX_IMAGE_PIXELS


def test_too_little_memory_names_the_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.png"
    Image.new("L", (9000, 9000)).save(path, compress_level=1)
    monkeypatch.setattr(memory, "available_bytes", lambda: 10_000_000)
    with pytest.raises(MemoryLimitError, match=r"(?s)81\.0 megapixels\) needs \d+ MB.*only 10 MB"):
        read_image(path)


def test_larger_than_pillows_own_limit(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.new("1", (14000, 14000)).save(path, compress_level=1)
    source = open_windowed(path)
    assert source.size_hw == (14000, 14000)
    assert source.read(13999, 14005).shape == (1, 14000, 3)
    assert source.read(5, 5).shape == (0, 14000, 3)


def test_memory_figures_exist_here() -> None:
    free = memory.available_bytes()
    assert free is None or free > 1_000_000
