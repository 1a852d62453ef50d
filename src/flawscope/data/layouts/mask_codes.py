"""Masks of any encoding to class indices.

Masks come as 0/255, 0/1, class indices, palettes, 1-bit, colour codes and with grey edges. ``scan`` counts
the values of each file, ``mask_infer`` looks at all of them together and settles one ``MaskCode`` for the set
(or asks), and ``MaskCode.decode`` applies it to a file, refusing values that the code does not declare.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.errors import ImageError

Colour = tuple[int, int, int]
_MAX_COLOURS = 4096
_LOSSY = frozenset({"JPEG", "WEBP", "MPO"})


@dataclass(frozen=True, slots=True)
class MaskScan:
    """The values of one mask file, counted."""

    greys: dict[int, int] = field(default_factory=dict)
    """Grey value -> pixels, when the mask is grey (palettes: the grey of the entries)."""
    indices: dict[int, int] = field(default_factory=dict)
    """Palette index -> pixels, for palette images."""
    colours: dict[Colour, int] = field(default_factory=dict)
    """Colour -> pixels, when the mask has colour (palettes: the colour of the entries)."""
    lossy: bool = False
    too_many: bool = False
    """More colours than can be codes."""


@dataclass(frozen=True, slots=True)
class MaskCode:
    """How the raw values of a set's masks become class ids: one rule for all files of the set."""

    greys: tuple[tuple[int, int], ...] = ()
    """Pairs of grey value and class id."""
    colours: tuple[tuple[Colour, int], ...] = ()
    half: float | None = None
    """Binarise grey masks above this value; then ``greys`` is not used."""
    by_index: bool = False
    """Palette images: indices are the values (else the colours of the palette)."""
    nearest: bool = False
    """Take the nearest declared value instead of refusing others (grey edges, lossy files)."""

    def decode(self, image: Image.Image, path: str) -> npt.NDArray[np.uint8]:
        """Class index H x W uint8 (255 = ignore) of a loaded mask.

        Raises:
            ImageError: a value that the code does not declare.
        """
        values = raw_values(image, self.by_index)
        if values.ndim == 3:
            return self._decode_colours(values, path)
        if self.half is not None:
            return (values > self.half).astype(np.uint8)
        return self._decode_greys(values, path)

    def _decode_greys(self, values: npt.NDArray[Any], path: str) -> npt.NDArray[np.uint8]:
        table = dict(self.greys) or {
            colour[0]: class_id for colour, class_id in self.colours if len(set(colour)) == 1
        }
        keys = np.array(sorted(table))
        ids = np.array([table[int(key)] for key in keys], dtype=np.uint8)
        if values.dtype == np.uint8:
            # Settle 256 values once instead of every pixel.
            places, odds = self._place(keys, np.arange(256))
            place, odd = places[values], odds[values]
        else:
            place, odd = self._place(keys, values.astype(np.int64))
        if odd.any():
            raise _undeclared(path, str(int(values[odd].flat[0])), map(str, keys))
        mask: npt.NDArray[np.uint8] = ids[place]
        return mask

    def _place(
        self, keys: npt.NDArray[Any], values: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Where each value stands among the sorted keys, and whether it is none of them."""
        if self.nearest:
            place = np.searchsorted((keys[1:] + keys[:-1]) / 2, values)
            return place, np.zeros(values.shape, np.bool_)
        place = np.minimum(np.searchsorted(keys, values), len(keys) - 1)
        return place, keys[place] != values

    def _decode_colours(self, values: npt.NDArray[Any], path: str) -> npt.NDArray[np.uint8]:
        table = dict(self.colours) or {(grey, grey, grey): class_id for grey, class_id in self.greys}
        packed = _pack(values)
        unique, inverse = np.unique(packed, return_inverse=True)
        found = np.stack([unique >> 16 & 255, unique >> 8 & 255, unique & 255], axis=1).astype(np.int64)
        keys = np.array(list(table), dtype=np.int64)
        ids = np.array(list(table.values()), dtype=np.uint8)
        distance = ((found[:, None, :] - keys[None, :, :]) ** 2).sum(axis=2)
        nearest = distance.argmin(axis=1)
        if not self.nearest and (distance.min(axis=1) > 0).any():
            odd = found[int(distance.min(axis=1).argmax())]
            raise _undeclared(path, _name(odd), (_name(key) for key in keys))
        mask: npt.NDArray[np.uint8] = ids[nearest][inverse.reshape(packed.shape)]
        return mask


def _undeclared(path: str, value: str, declared: Iterable[str]) -> ImageError:
    return ImageError(
        f"{path}: the mask holds the value {value}, which no class declares.\n"
        f"Expected {', '.join(declared)}; name it with --mask-value {value}=CLASS or correct the mask."
    )


def _name(colour: npt.NDArray[Any]) -> str:
    return ",".join(str(int(part)) for part in colour)


def _pack(values: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    wide = values.astype(np.uint32)
    packed: npt.NDArray[np.uint32] = (
        (wide[..., 0] << np.uint32(16)) | (wide[..., 1] << np.uint32(8)) | wide[..., 2]
    )
    return packed


def raw_values(image: Image.Image, by_index: bool = False) -> npt.NDArray[Any]:
    """Grey values H x W (1-bit as 0/255) or colours H x W x 3 (where transparent: black) of a loaded mask."""
    mode = image.mode
    if mode == "1":
        return np.asarray(image).astype(np.uint8) * np.uint8(255)
    if mode == "P" and by_index:
        return np.asarray(image)
    if mode in ("L", "I;16", "I;16B", "I;16L", "I;16N", "I"):
        return np.asarray(image)
    if mode == "F":
        rounded: npt.NDArray[np.int64] = np.rint(np.asarray(image)).astype(np.int64)
        return rounded
    rgba: npt.NDArray[np.uint8] = np.asarray(image.convert("RGBA"))
    colours, alpha = rgba[..., :3], rgba[..., 3]
    if alpha.min(initial=255) < 255:
        if (colours == colours[:1, :1]).all():
            return alpha  # drawn in the alpha channel alone
        colours = np.where(alpha[..., None] > 0, colours, np.uint8(0))
    if (colours[..., 0] == colours[..., 1]).all() and (colours[..., 0] == colours[..., 2]).all():
        return colours[..., 0]
    return colours


def scan(image: Image.Image) -> MaskScan:
    """Count the values of a loaded mask."""
    lossy = image.format in _LOSSY
    values = raw_values(image)
    indices: dict[int, int] = {}
    if image.mode == "P":
        indices = {index: count for index, count in enumerate(image.histogram()) if count}
    if values.ndim == 2:
        return MaskScan(_count(values), indices, lossy=lossy)
    unique, counts = np.unique(_pack(values), return_counts=True)
    if len(unique) > _MAX_COLOURS:
        keep = np.argsort(counts)[::-1][:_MAX_COLOURS]
        unique, counts = unique[keep], counts[keep]
    colours = {
        (int(code) >> 16, int(code) >> 8 & 255, int(code) & 255): int(count)
        for code, count in zip(unique, counts, strict=True)
    }
    return MaskScan({}, indices, colours, lossy, len(unique) >= _MAX_COLOURS)


def _count(values: npt.NDArray[Any]) -> dict[int, int]:
    if values.dtype == np.uint8:
        counts = np.bincount(values.ravel(), minlength=256)
        return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
    unique, numbers = np.unique(values, return_counts=True)
    return {int(value): int(number) for value, number in zip(unique, numbers, strict=True)}


BINARY_ANY = MaskCode(greys=((0, 0), (1, 1), (255, 1)))
"""For sets whose masks are all empty: every usual way of saying yes."""
