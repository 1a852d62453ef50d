"""Truth against prediction in the colours of the classes, and the classes that each image is told to show.

Images of every kind, by the classes that they truly show, take turns. A class with fewer marked pixels than
``presence_px`` is drawn and not named, as in the thesis's figures 63 and 64.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from flawscope.evaluation.counts import BoolMask
from flawscope.evaluation.gallery import block_any, gallery_page, shrink
from flawscope.types import ClassInfo, RgbImage

_EDGE_PX = 1100
_FILL = 0.35
_RIM_PX = 1


@dataclass(frozen=True, slots=True)
class Shown:
    """One image, as it becomes part of the page."""

    name: str
    truth: str
    told: str
    jpeg: bytes
    """Truth above, prediction below."""


class ClassGallery:
    """Keeps a few images of every kind, as they come."""

    def __init__(self, size: int, classes: Sequence[ClassInfo]) -> None:
        self._size, self._classes = size if len(classes) > 1 else 0, tuple(classes)
        self._kinds: dict[tuple[str, ...], list[Shown]] = {}

    def wants(self) -> bool:
        """Whether any picture is asked for; one class alone has none, its gallery shows hits and misses."""
        return self._size > 0

    def offer(
        self, name: str, image: RgbImage, true: Sequence[BoolMask], marked: Sequence[BoolMask],
        told: Sequence[str],
    ) -> None:  # fmt: skip
        """Take an image; planes H x W bool a class, ``marked`` before and ``told`` after ``presence_px``."""
        kind = tuple(info.name for info, plane in zip(self._classes, true, strict=True) if plane.any())
        kept = self._kinds.setdefault(kind, [])
        if len(kept) >= self._size:
            return
        few = [
            f"{info.name} ({int(plane.sum())} px, too few to be told)"
            for info, plane in zip(self._classes, marked, strict=True)
            if plane.any() and info.name not in told
        ]
        said = ", ".join([*told, *few]) or "none"
        kept.append(Shown(name, ", ".join(kind) or "none", said, self._panel(image, true, marked)))

    def items(self) -> tuple[Shown, ...]:
        """So many images as asked for, kinds in turn."""
        kinds = [self._kinds[kind] for kind in sorted(self._kinds)]
        turns = range(max(map(len, kinds), default=0))
        return tuple(some[turn] for turn in turns for some in kinds if turn < len(some))[: self._size]

    def page(self, headline: str) -> str:
        """One self-contained page."""
        keys = "".join(
            f'<span><i style="background:{info.colour}"></i>{html.escape(info.name)}</span>'
            for info in self._classes
        )
        figures = "\n".join(
            f"<figure><img alt='{html.escape(one.name, quote=True)}: truth and prediction' loading='lazy' "
            f"src='data:image/jpeg;base64,{base64.b64encode(one.jpeg).decode()}'>"
            f"<figcaption><b>{html.escape(one.name)}</b> truth (above): {html.escape(one.truth)}; "
            f"predicted (below): {html.escape(one.told)}</figcaption></figure>"
            for one in self.items()
        )
        return gallery_page("Truth and prediction", 1180, headline, keys, figures)

    def _panel(self, image: RgbImage, true: Sequence[BoolMask], marked: Sequence[BoolMask]) -> bytes:
        step = -(-max(image.shape[:2]) // _EDGE_PX)
        photo = shrink(image, step)
        both = [self._drawn(photo, planes, step) for planes in (true, marked)]
        beside = photo.shape[0] > photo.shape[1]
        size = (photo.shape[0], 6, 3) if beside else (6, photo.shape[1], 3)
        panel = np.concatenate([both[0], np.full(size, 255, np.uint8), both[1]], axis=1 if beside else 0)
        stream = io.BytesIO()
        Image.fromarray(panel).save(stream, "JPEG", quality=85, subsampling=0)
        return stream.getvalue()

    def _drawn(self, photo: RgbImage, planes: Sequence[BoolMask], step: int) -> npt.NDArray[np.uint8]:
        out = photo.astype(np.float32)
        for info, plane in zip(self._classes, planes, strict=True):
            mask = block_any(np.ascontiguousarray(plane), step)
            colour = np.array([int(info.colour[k : k + 2], 16) for k in (1, 3, 5)], np.float32)
            out[mask] = (1 - _FILL) * out[mask] + _FILL * colour
            out[mask & ~ndimage.binary_erosion(mask, iterations=_RIM_PX)] = colour
        return out.round().astype(np.uint8)


def cut_planes(
    probability: npt.NDArray[np.floating], planes: Sequence[int], names: Sequence[str],
    thresholds: Mapping[str, float],
) -> list[BoolMask]:  # fmt: skip
    """What is at or above each class's threshold, whatever its area."""
    return [
        np.asarray(probability[plane] >= np.float32(thresholds.get(name, 0.5)), dtype=np.bool_)
        for plane, name in zip(planes, names, strict=True)
    ]
