"""How drawn pictures lie on disk: one form a layout, in the real layouts of real data sets."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.data.synthetic.canvas import MaskArray, SynthImage
from flawscope.data.synthetic.kinds import Kind
from flawscope.images.atomic import output_error, write_bytes_atomic, write_text_atomic
from flawscope.images.rle import encode_rle

WIDTHS_SCHEMA = 1
_JPEG_QUALITY = 90

AddRows = Callable[[list[str]], None]


@dataclass(frozen=True, slots=True)
class Form:
    """How one layout is written."""

    folders: tuple[str, ...]
    write: Callable[[SynthImage, str, int, int, Path], list[str]]
    """(picture, kind, seed of the stream, index, folder) -> rows of the set's table; writes the files."""
    table: Callable[[Path], contextlib.AbstractContextManager[AddRows]]
    """Opens the table that takes these rows, picture by picture."""


def description_text(kind: Kind) -> str:
    """The ``dataset.toml`` of a kind."""
    lines = [f'source = "synthetic-{kind.name}"', f'layout = "{kind.layout}"']
    for info in kind.classes:
        lines += ["", "[[classes]]", f"id = {info.id}", f'name = "{info.name}"', f'kind = "{info.kind}"']
        lines.append(f'colour = "{info.colour}"')
    return "\n".join(lines) + "\n"


def _write_image_mask(drawn: SynthImage, kind: str, seed: int, index: int, folder: Path) -> list[str]:
    name = f"{kind}_{index:06d}"
    write_bytes_atomic(folder / "images" / f"{name}.png", _encoded(drawn.image, "PNG"))
    write_bytes_atomic(folder / "masks" / f"{name}.png", _encoded(mask_picture(drawn.mask), "PNG"))
    write_text_atomic(folder / "widths" / f"{name}.json", widths_text(name, drawn))
    return []


@contextlib.contextmanager
def _no_table(folder: Path) -> Iterator[AddRows]:
    yield lambda rows: None


def mask_picture(mask: MaskArray) -> MaskArray:
    """0 / 255 from a mask of one class (H x W uint8, 0 or 1)."""
    return np.where(mask > 0, np.uint8(255), np.uint8(0))


def widths_text(name: str, drawn: SynthImage) -> str:
    """The truth beside the mask as JSON: per crack N points (x, y) and N full widths, in px."""
    cracks = [
        {"points_xy_px": crack.points_xy_px.round(3).tolist(), "width_px": crack.width_px.round(3).tolist()}
        for crack in drawn.cracks
    ]
    content = {
        "schema": WIDTHS_SCHEMA,
        "image": name,
        "size_hw": list(drawn.mask.shape),
        "cracks": cracks,
        "recipe": drawn.recipe,
    }
    return json.dumps(content) + "\n"


def _write_severstal(drawn: SynthImage, kind: str, seed: int, index: int, folder: Path) -> list[str]:
    name = strip_name(seed, index)
    write_bytes_atomic(folder / "train_images" / name, _encoded(drawn.image, "JPEG"))
    present = np.flatnonzero(np.bincount(drawn.mask.ravel()))
    return [f"{name},{number},{encode_rle(drawn.mask == number)}" for number in present if number]


def strip_name(seed: int, index: int) -> str:
    """Nine hexadecimal digits, as the competition names its images; different for each index of a seed."""
    # An odd factor makes the map of indices one to one modulo a power of two, without a visible order.
    return f"{(index * 0x9E3779B97 + (seed + 1) * 0x3C6EF372F) % 2**36:09x}.jpg"


@contextlib.contextmanager
def _severstal_table(folder: Path) -> Iterator[AddRows]:
    """``train.csv``: a row a picture and class; it lies in a folder that is moved in place when whole."""
    path = folder / "train.csv"
    try:
        with path.open("w", encoding="utf-8", newline="\n") as table:
            table.write("ImageId,ClassId,EncodedPixels\n")
            yield lambda rows: table.writelines(row + "\n" for row in rows)
    except OSError as error:
        raise output_error(path, error) from error


def _encoded(pixels: npt.NDArray[np.uint8], form: str) -> bytes:
    buffer = io.BytesIO()
    options: dict[str, Any] = {"compress_level": 1} if form == "PNG" else {"quality": _JPEG_QUALITY}
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


FORMS: dict[str, Form] = {
    "image-mask": Form(("images", "masks", "widths"), _write_image_mask, _no_table),
    "severstal": Form(("train_images",), _write_severstal, _severstal_table),
}
"""Layout -> how it is written. ``image-mask``: pictures and masks (0 / 255) as PNG, ``widths/NAME.json`` with
centrelines, exact widths and what was drawn. ``severstal``: JPEG strips and ``train.csv``."""
