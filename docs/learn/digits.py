"""Digits for a computer that has no MNIST: printed figures, turned, stretched and shifted, as IDX files.

They are easier than handwriting, so figures made with them are not those of MNIST.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from flawscope.data.layouts.idx import IMAGES_MAGIC, LABELS_MAGIC

SIZE_PX = 28
_FINE = 3
"""Digits are drawn so many times larger and then shrunk, for soft edges."""


def draw_digit(digit: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """One digit, 28 x 28 uint8, white on black with a little noise."""
    edge = SIZE_PX * _FINE
    page = Image.new("L", (edge, edge))
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=20 * _FINE)
    stroke = int(rng.integers(0, 4))
    pen.text((edge / 2, edge / 2), str(digit), fill=255, font=font, anchor="mm", stroke_width=stroke)
    angle, shear = rng.normal(0, 0.2), rng.normal(0, 0.2)
    stretch_x, stretch_y = rng.uniform(0.8, 1.3, 2)
    # Rows of the map from places on the result to places on the drawing; the middle stays in the middle.
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[stretch_x, shear], [0.0, stretch_y]])
    shift = edge / 2 - matrix @ (edge / 2 + rng.uniform(-1.5, 1.5, 2) * _FINE)
    rows = (*matrix[0], shift[0], *matrix[1], shift[1])
    turned = page.transform((edge, edge), Image.Transform.AFFINE, rows, Image.Resampling.BILINEAR)
    grey = np.asarray(turned.reduce(_FINE)).astype(np.float64)
    noisy = grey * rng.uniform(0.6, 1.0) + rng.normal(0, 8, grey.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def write_idx(folder: Path, train: int, test: int, seed: int = 0) -> None:
    """Write MNIST's four files (unpacked) with so many drawn digits; the same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    for prefix, count in (("train", train), ("t10k", test)):
        labels = rng.permutation(np.arange(count) % 10).astype(np.uint8)
        images = np.stack([draw_digit(int(label), rng) for label in labels])
        head = struct.pack(">4I", IMAGES_MAGIC, count, SIZE_PX, SIZE_PX)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = struct.pack(">2I", LABELS_MAGIC, count)
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
