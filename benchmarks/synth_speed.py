"""Synthetic images a second with two processes: concrete 512 x 512, or steel (``--kind``) 256 x 1600."""

from __future__ import annotations

import time

from common import Figures, make_parser, say, write_result
from flawscope.data.synthetic.kinds import kind_named


def measure(
    count: int = 100, workers: int = 2, size_hw: tuple[int, int] = (512, 512), kind: str = "concrete"
) -> Figures:
    """Images a second from the call on (start-up of the processes included), and once they run.

    The steady rate leaves out the first fifth of the images, which are drawn while processes start.
    """
    from flawscope.data.synthetic.stream import generate_many

    skipped = count // 5
    began = time.perf_counter()
    warm = began
    for done, _ in enumerate(generate_many(kind, range(count), size_hw, workers), 1):
        if done == skipped:
            warm = time.perf_counter()
    ended = time.perf_counter()
    return {
        "images_per_s": count / (ended - began),
        "images_per_s_steady": (count - skipped) / (ended - warm),
        "seconds": ended - began,
        "images": count,
        "workers": workers,
        "kind": kind,
        "size_hw": list(size_hw),
    }


def main() -> None:
    """Measure and print."""
    parser = make_parser(__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kind", choices=("concrete", "steel"), default="concrete")
    options = parser.parse_args()
    size_hw = kind_named(options.kind).size_hw
    figures = measure(options.count, options.workers, size_hw, options.kind)
    say(
        f"{figures['images_per_s']:.2f} images/s with start-up, {figures['images_per_s_steady']:.2f} images/s"
        f" steady ({options.kind} {size_hw[0]} x {size_hw[1]}, {options.workers} processes,"
        f" {options.count} images)"
    )
    write_result(options.json, figures)


if __name__ == "__main__":
    main()
