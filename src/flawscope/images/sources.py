"""Images from files: upright 8-bit RGB, whole or in bands, whatever the file's encoding.

A file is checked before it is decoded: its content must be what its name says, and it must fit in memory.
Pillow's process-wide pixel limit is left alone; limits here are arguments.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.errors import ImageError, MemoryLimitError
from flawscope.images.convert import BYTES_PER_PX, Conversion, plan, to_rgb
from flawscope.images.listing import InputImage, list_images
from flawscope.images.memory import check_size
from flawscope.images.sniff import HEAD_BYTES, expect_image, is_image_name
from flawscope.types import RgbImage

__all__ = [
    "ImageSource",
    "InputImage",
    "LoadedImage",
    "is_image_name",
    "list_images",
    "open_windowed",
    "read_image",
    "read_mask_file",
    "read_size",
]

_ORIENTATION_TAG = 0x0112
_TURNS: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BAND_PX = 4_000_000
"""Pixels converted at a time when a whole image is read; bounds the extra memory."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedImage:
    """An image in memory."""

    pixels: RgbImage
    """H x W x 3 uint8 RGB, upright."""
    notes: tuple[str, ...] = ()
    """Conversions worth telling, e.g. ``CMYK converted to RGB``."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels, upright."""
        return (self.pixels.shape[0], self.pixels.shape[1])


class ImageSource:
    """An opened image that gives its rows band by band, upright RGB.

    The file is decoded once, in its own mode (at most 4 bytes a pixel); only the bands asked for become RGB.
    """

    def __init__(self, image: Image.Image, turn: int, notes: tuple[str, ...], conversion: Conversion) -> None:
        self._image = image
        self._turn = turn
        self._conversion = conversion
        self.notes = notes
        width, height = image.size
        self.size_hw: tuple[int, int] = (width, height) if turn >= 5 else (height, width)

    def read(self, y0: int, y1: int) -> RgbImage:
        """Rows ``y0`` to ``y1`` (exclusive) of the upright image: (y1 - y0) x W x 3 uint8 RGB."""
        height, width = self.size_hw
        y0, y1 = max(0, y0), min(height, y1)
        if y1 <= y0:
            return np.zeros((0, width, 3), np.uint8)
        band = self._image.crop(self._stored_box(y0, y1))
        # A crop drops the information on transparency that the conversion of palettes needs.
        band.info = self._image.info
        if self._turn != 1:
            band = band.transpose(_TURNS[self._turn])
        return to_rgb(band, self._conversion)

    def _stored_box(self, y0: int, y1: int) -> tuple[int, int, int, int]:
        """The box (left, top, right, bottom) in the stored picture that holds the upright rows."""
        stored_w, stored_h = self._image.size
        if self._turn in (1, 2):
            return (0, y0, stored_w, y1)
        if self._turn in (3, 4):
            return (0, stored_h - y1, stored_w, stored_h - y0)
        if self._turn in (5, 6):
            return (y0, 0, y1, stored_h)
        return (stored_w - y1, 0, stored_w - y0, stored_h)

    def load(self) -> LoadedImage:
        """The whole image, converted band by band."""
        height, width = self.size_hw
        pixels = np.empty((height, width, 3), np.uint8)
        step = max(1, _BAND_PX // max(1, width))
        for y0 in range(0, height, step):
            pixels[y0 : y0 + step] = self.read(y0, y0 + step)
        return LoadedImage(pixels, self.notes)


def open_windowed(path: str | os.PathLike[str], max_pixels: int | None = None) -> ImageSource:
    """Open an image for reading in bands; see ``read_image`` for the arguments and errors."""
    image, kind, deep = _open(Path(path), max_pixels, whole=False)
    notes: list[str] = []
    with _decoding(path, kind):  # to count the pages Pillow walks through all of them
        pages = getattr(image, "n_frames", 1) if kind in ("TIFF", "GIF", "WEBP") else 1
    if pages > 1:
        notes.append(f"first of {pages} pages")
    said = _orientation(image)
    _load(image, path)
    turn = _orientation(image)
    with _decoding(path, kind):
        conversion = plan(image)
    if conversion.note:
        notes.append(conversion.note)
    if deep and conversion.rule != "linear":
        notes.append("16-bit colour reduced to 8 bits")
    if said != 1:
        notes.append("turned upright as EXIF says")
    return ImageSource(image, turn, tuple(notes), conversion)


def read_image(path: str | os.PathLike[str], max_pixels: int | None = None) -> LoadedImage:
    """Read an image as H x W x 3 uint8 RGB, upright (EXIF orientation applied).

    CMYK, palettes, alpha (laid over white), 1-bit and wider than 8-bit images are converted and noted.

    Args:
        path: the file; its content must be of the format its suffix names.
        max_pixels: refuse larger images; None = as large as memory allows.

    Raises:
        ImageError: absent, empty, truncated, no image, or of another format than its name says.
        MemoryLimitError: larger than ``max_pixels`` or than the free memory; says what it needs.
    """
    source = open_windowed(path, max_pixels)
    # What is decoded already no longer counts as free, so only the RGB copy is asked for.
    check_size(path, source.size_hw, 3)
    return source.load()


def read_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of the upright image, from the header alone. Raises ImageError."""
    image, kind, _ = _open(Path(path), None, header_only=True)
    width, height = image.size
    # Pillow swaps the sides of a turned TIFF itself, already in the header.
    return (width, height) if kind != "TIFF" and _orientation(image) >= 5 else (height, width)


def read_mask_file(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Raw values of a mask: H x W (1-bit as 0/1, palettes as indices, 8 or 16 bits) or H x W x 3 / 4.

    Raises:
        ImageError: as ``read_image``.
    """
    stored = load_stored(path)
    return np.array(stored, dtype=np.uint8 if stored.mode == "1" else None)


def load_stored(path: str | os.PathLike[str]) -> Image.Image:
    """Decode a file in its own mode, upright: what masks are read through. Raises ImageError."""
    image, _, _ = _open(Path(path), None)
    _load(image, path)
    turn = _orientation(image)
    return image if turn == 1 else image.transpose(_TURNS[turn])


def _open(
    path: Path, max_pixels: int | None, *, whole: bool = True, header_only: bool = False
) -> tuple[Image.Image, str, bool]:
    """Open without decoding: the Pillow image, its format, and whether its colours have 16 bits."""
    data = _read(path, HEAD_BYTES if header_only else -1)
    kind = expect_image(path, data[:HEAD_BYTES])
    with _decoding(path, kind):
        image = _construct(kind, path, None if header_only else data)
        deep = _has_16_bit_colour(image, kind, data)
    if not header_only:
        width, height = image.size
        stored = BYTES_PER_PX.get(image.mode, 4) + len(data) / max(1, width * height)
        check_size(path, (height, width), stored + (3 if whole else 0), max_pixels)
    return image, kind, deep


def _read(path: Path, count: int) -> bytes:
    """The first ``count`` bytes of a file, all for -1. Raises ImageError for whatever cannot be read."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            os.scandir(path).close()  # a folder that cannot be listed says why
        if not stat.S_ISREG(mode):  # opening a pipe would wait for somebody to write into it
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
            raise ImageError(f"{path}: cannot be read, it is {kind}.\nExpected an image file.")
        with path.open("rb") as stream:
            return stream.read(count)
    except FileNotFoundError:
        raise ImageError(f"{path}: there is no such file.\nExpected an image; check the path.") from None
    except OSError as error:
        reason = error.strerror or error
        raise ImageError(f"{path}: cannot be read ({reason}).\nCheck it and its rights.") from error


def _construct(kind: str, path: Path, data: bytes | None) -> Image.Image:
    """Make the Pillow image by its plugin: ``Image.open`` would apply the process-wide pixel limit."""
    Image.preinit()
    if kind not in Image.OPEN:
        Image.init()
    factory, _ = Image.OPEN[kind]
    if data is not None:
        return cast("Image.Image", factory(io.BytesIO(data), str(path)))
    with path.open("rb") as stream:
        image = cast("Image.Image", factory(stream, str(path)))
        _orientation(image)  # read the EXIF block while the file is open
        return image


def _load(image: Image.Image, path: str | os.PathLike[str]) -> None:
    with _decoding(path, image.format or "image"):
        image.load()


@contextmanager
def _decoding(path: str | os.PathLike[str], kind: str) -> Iterator[None]:
    """Whatever Pillow raises on damaged data (OSError, SyntaxError, IndexError) becomes an ImageError."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        message = f"{path}: too large to decode in the memory at hand.\nCut it into parts."
        raise MemoryLimitError(message) from error
    except Exception as error:
        raise ImageError(
            f"{path}: truncated or damaged {kind} ({error}).\n"
            "Expected a complete image; copy it again from its source."
        ) from error


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8; 1 where there is none or it makes no sense."""
    try:
        turn = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # a damaged EXIF block is no reason to refuse the picture
        return 1
    return turn if turn in _TURNS else 1


def _has_16_bit_colour(image: Image.Image, kind: str, data: bytes) -> bool:
    """True when Pillow will quietly reduce 16-bit colours to 8 bits."""
    if kind == "PNG":
        return len(data) > 25 and data[24] == 16 and image.mode in ("RGB", "RGBA", "LA")
    bits = getattr(image, "tag_v2", {}).get(258) if kind == "TIFF" else None
    return bool(bits) and max(np.atleast_1d(np.asarray(bits))) == 16 and image.mode in ("RGB", "RGBA")
