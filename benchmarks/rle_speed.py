"""Severstal run-length text against pycocotools' C code, on the same masks in one run.

Masks of 256 x 1600 px: the real ones of ``severstal_10`` where they are, and synthetic strips. Both codecs
are timed in turn, mask by mask; medians count. pycocotools is needed for this comparison alone:
``pip install pycocotools``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from common import Figures, make_parser, say, write_result
from flawscope.data.open import open_dataset
from flawscope.data.synthetic.steel import SteelOptions, render_steel
from flawscope.images.rle import decode_rle, encode_rle

SIZE_HW = (256, 1600)
MOST = 1.5
"""Times pycocotools' time that each direction may take."""

Mask = npt.NDArray[np.uint8]


def real_masks(data: Path | None) -> list[Mask]:
    """One mask an image and class, H x W uint8 in 0..1, down the columns first in memory."""
    if data is None or not (data / "severstal_10").is_dir():
        return []
    masks = []
    for sample in open_dataset(data / "severstal_10"):
        mask = sample.mask
        if mask is None:
            continue
        planes = np.moveaxis(mask, -1, 0) if mask.ndim == 3 else [mask == i for i in np.unique(mask) if i]
        masks += [np.asfortranarray(plane, dtype=np.uint8) for plane in planes if plane.any()]
    return masks


def drawn_masks(count: int) -> list[Mask]:
    """Masks of synthetic strips with defects."""
    drawn = (render_steel(seed, SIZE_HW, SteelOptions(clean_share=0.0)).mask for seed in range(count))
    return [np.asfortranarray(mask == i, dtype=np.uint8) for mask in drawn for i in np.unique(mask) if i]


def median_s(works: Sequence[Callable[[], Any]], repeats: int) -> list[float]:
    """Median seconds of each of some calls, made in turn so that all meet the same state of the machine."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, own in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            own.append(time.perf_counter() - began)
    return [median(own) for own in times]


def measure(masks: list[Mask], repeats: int = 15) -> Figures:
    """Microseconds a mask of both codecs and both directions, and the ratios of their sums.

    ``encode_rows``: from masks that lie along the rows in memory, as most do; pycocotools then needs a copy.
    """
    from pycocotools import mask as coco

    kinds = ("encode", "encode_coco", "decode", "decode_coco", "encode_rows", "encode_rows_coco")
    sums = dict.fromkeys(kinds, 0.0)
    for mask in masks:
        text, counts, rows = encode_rle(mask), coco.encode(mask), np.ascontiguousarray(mask)
        ours, theirs = decode_rle(text, SIZE_HW), coco.decode(counts)
        if not (np.array_equal(ours, mask) and np.array_equal(theirs, mask)):
            raise SystemExit("A mask does not come back as it was.")
        works = (
            partial(encode_rle, mask),
            partial(coco.encode, mask),
            partial(decode_rle, text, SIZE_HW),
            partial(coco.decode, counts),
            partial(encode_rle, rows),
            lambda rows=rows: coco.encode(np.asfortranarray(rows)),
        )
        for kind, seconds in zip(kinds, median_s(works, repeats), strict=True):
            sums[kind] += seconds
    figures = {f"{name}_us": 1e6 * total / len(masks) for name, total in sums.items()}
    for name in ("encode", "decode", "encode_rows"):
        figures[f"{name}_ratio"] = sums[name] / sums[f"{name}_coco"]
    figures["masks"] = len(masks)
    return figures


def main() -> None:
    """Measure and print; exit code 2 where a direction takes more than ``MOST`` times pycocotools' time."""
    parser = make_parser(__doc__)
    parser.add_argument("--count", type=int, default=60, help="synthetic strips")
    options = parser.parse_args()
    try:
        import pycocotools  # noqa: F401
    except ImportError:
        raise SystemExit("This comparison needs pycocotools: pip install pycocotools") from None
    sets = {"synthetic": drawn_masks(options.count), "severstal_10": real_masks(options.data)}
    figures = {name: measure(masks) for name, masks in sets.items() if masks}
    for name, found in figures.items():
        say(
            f"{name}, {found['masks']} masks: to text {found['encode_us']:.0f} us, "
            f"{found['encode_ratio']:.2f} x pycocotools (from rows {found['encode_rows_ratio']:.2f} x); "
            f"back {found['decode_us']:.0f} us, {found['decode_ratio']:.2f} x"
        )
    write_result(options.json, figures)
    if any(found[f"{name}_ratio"] > MOST for found in figures.values() for name in ("encode", "decode")):
        raise SystemExit(2)


if __name__ == "__main__":
    main()
