"""The worst images of an evaluation, side by side with what was found, missed and made up."""

from __future__ import annotations

import base64
import heapq
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.evaluation.counts import BoolMask
from flawscope.types import RgbImage

FOUND, MISSED, FALSE = "#f0e442", "#56b4e9", "#d55e00"
"""Colours that the colour-blind can tell apart (Okabe and Ito)."""

_EDGE_PX = 720


@dataclass(frozen=True, slots=True)
class GalleryItem:
    """One picture of the gallery."""

    name: str
    caption: str
    score: float
    jpeg: bytes
    """Photograph and result, side by side."""


class Worst:
    """Keeps the worst few images; a picture is drawn only if it belongs to them so far."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, int, GalleryItem]] = []
        self._count = 0

    def offer(
        self, name: str, caption: str, score: float, image: RgbImage, masks: tuple[BoolMask, BoolMask]
    ) -> None:
        """Take an image; ``masks`` = (predicted, true), H x W bool each; a low ``score`` is bad."""
        self._count += 1
        if self._size < 1 or (len(self._heap) == self._size and -self._heap[0][0] <= score):
            return
        item = GalleryItem(name, caption, score, draw_panel(image, *masks))
        entry = (-score, -self._count, item)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heapreplace(self._heap, entry)

    def items(self) -> tuple[GalleryItem, ...]:
        """The worst images, worst first."""
        return tuple(item for _, _, item in sorted(self._heap, key=lambda entry: (-entry[0], -entry[1])))


def draw_panel(image: RgbImage, predicted: BoolMask, true: BoolMask) -> bytes:
    """Return a JPEG: the photograph, and beside it hits, misses and false pixels in colour.

    Large pictures are made smaller; a marked pixel stays visible however thin the line is.
    """
    step = -(-max(image.shape[:2]) // _EDGE_PX)
    photo = shrink(image, step)
    panel = np.repeat(photo.mean(axis=2, keepdims=True) * 0.6, 3, axis=2).astype(np.uint8)
    for mask, colour in ((predicted & true, FOUND), (predicted & ~true, FALSE), (true & ~predicted, MISSED)):
        panel[block_any(mask, step)] = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    gap = np.full((photo.shape[0], 6, 3), 255, dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(np.hstack([photo, gap, panel])).save(stream, "JPEG", quality=85, subsampling=0)
    return stream.getvalue()


def gallery_html(items: Sequence[GalleryItem], headline: str) -> str:
    """Return one self-contained page."""
    keys = "".join(
        f'<span><i style="background:{colour}"></i>{text}</span>'
        for colour, text in ((FOUND, "found"), (MISSED, "missed"), (FALSE, "false"))
    )
    figures = "\n".join(
        f"<figure><img alt='{html.escape(item.name, quote=True)}' loading='lazy' "
        f"src='data:image/jpeg;base64,{base64.b64encode(item.jpeg).decode()}'>"
        f"<figcaption><b>{html.escape(item.name)}</b> {html.escape(item.caption)}</figcaption></figure>"
        for item in items
    )
    return gallery_page("The worst images", 1480, headline, keys, figures)


def shrink(image: RgbImage, step: int) -> RgbImage:
    """The image made smaller by a whole factor, by means over blocks."""
    if step == 1:
        return image
    size = (-(-image.shape[1] // step), -(-image.shape[0] // step))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX), dtype=np.uint8)


def block_any(mask: BoolMask, step: int) -> npt.NDArray[np.bool_]:
    """The mask made smaller by a whole factor: a block is marked where any of its pixels is."""
    if step == 1:
        return mask
    rows, columns = (-size % step for size in mask.shape)
    padded = np.pad(mask, ((0, rows), (0, columns)))
    height, width = padded.shape
    blocks = padded.reshape(height // step, step, width // step, step)
    return np.asarray(blocks.any(axis=(1, 3)), dtype=np.bool_)


def gallery_page(title: str, width_px: int, headline: str, keys: str, figures: str) -> str:
    """A self-contained page of pictures; ``keys`` and ``figures`` are HTML, ``headline`` is text."""
    return _PAGE.format(
        title=title,
        width_px=width_px,
        headline=html.escape(headline),
        keys=keys,
        figures=figures or "<p>No images.</p>",
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>flawscope: {title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: {width_px}px; padding: 0 1rem;
  color: #222; background: #fff }}
figure {{ margin: 0 0 1.6rem }} img {{ max-width: 100%; border-radius: 3px }}
span {{ margin-right: 1.2rem }} i {{ display: inline-block; width: .9em; height: .9em; margin-right: .4em;
  border: 1px solid #888; vertical-align: -.1em }}
@media (prefers-color-scheme: dark) {{ body {{ color: #ddd; background: #161616 }} }}
</style></head><body>
<h1>{title}</h1>
<p>{headline}</p>
<p>{keys}</p>
{figures}
</body></html>
"""
