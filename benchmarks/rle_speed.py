"""Severstal run-length text against pycocotools' C code, on the same masks in one run.

Masks of 256 x 1600 px: the real ones of ``severstal_10`` where they are, and synthetic strips. Both codecs
are timed in turn, mask by mask; a repetition's fastest time counts. pycocotools is needed for this comparison
alone: ``pip install pycocotools``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
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


def fastest_s(work: Callable[[], Any], repeats: int) -> float:
    """Seconds of the fastest of so many calls."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def measure(masks: list[Mask], repeats: int = 15) -> Figures:
    """Microseconds a mask of both codecs and both directions, and the ratios of their sums."""
    from pycocotools import mask as coco

    sums = dict.fromkeys(("encode", "decode", "encode_coco", "decode_coco"), 0.0)
    for mask in masks:
        text, counts = encode_rle(mask), coco.encode(mask)
        if not (
            np.array_equal(decode_rle(text, mask.shape), mask) and np.array_equal(coco.decode(counts), mask)
        ):
            raise SystemExit("A mask does not come back as it was.")
        sums["encode"] += fastest_s(lambda mask=mask: encode_rle(mask), repeats)
        sums["encode_coco"] += fastest_s(lambda mask=mask: coco.encode(mask), repeats)
        sums["decode"] += fastest_s(lambda text=text, mask=mask: decode_rle(text, mask.shape), repeats)
        sums["decode_coco"] += fastest_s(lambda counts=counts: coco.decode(counts), repeats)
    figures = {f"{name}_us": 1e6 * total / len(masks) for name, total in sums.items()}
    figures["encode_ratio"] = sums["encode"] / sums["encode_coco"]
    figures["decode_ratio"] = sums["decode"] / sums["decode_coco"]
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
            f"{found['encode_ratio']:.2f} x pycocotools; back {found['decode_us']:.0f} us, "
            f"{found['decode_ratio']:.2f} x"
        )
    write_result(options.json, figures)
    if any(max(found["encode_ratio"], found["decode_ratio"]) > MOST for found in figures.values()):
        raise SystemExit(2)


if __name__ == "__main__":
    main()
