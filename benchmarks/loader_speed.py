"""Training crops a second on one core: decoding, cutting, augmenting and preprocessing, without any network.

*decoded anew*: every crop reads its image and mask from disk; *from memory*: all are decoded before.
"""

from __future__ import annotations

import cProfile
import pstats
import time
from pathlib import Path
from typing import TYPE_CHECKING

from common import Figures, data_folder, fail, make_parser, say, write_result

if TYPE_CHECKING:
    from flawscope.training.config import TrainConfig
    from flawscope.training.loader import PartDataset

LEAST_CROPS_PER_S = 60.0
"""What one core has to deliver, so that a small network on the others is never kept waiting."""
SETS = ("cfd", "severstal_10", "neu_seg")


def make_images(folder: Path, config: TrainConfig, cached: bool, most: int) -> PartDataset:
    """The crops that a recipe would train on, of up to ``most`` images."""
    from flawscope.data.open import open_dataset
    from flawscope.training.loader import PartDataset

    dataset = open_dataset(folder)
    names = dataset.default_split.part("train") if dataset.default_split else dataset.names
    data = config.data.model_copy(update={} if cached else {"cache_mb": 0, "crops_per_image": 1})
    chosen = dataset.subset(names[:most])
    return PartDataset(chosen, data=data, spec=config.input, augment=config.augment)


def measure(images: PartDataset, batches: int, batch: int, workers: int) -> Figures:
    """Crops a second, the start of worker processes left out (the first batch is not timed)."""
    import torch

    from flawscope.training.crops import Step, deal
    from flawscope.training.loader import loader_of_steps

    steps: list[Step] = []
    epoch = 0
    while len(steps) <= batches:
        steps += deal(images.crops.order(epoch), batch)
        epoch += 1
    loader = loader_of_steps(images.crops, steps[: batches + 1], workers, torch.device("cpu"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        read = iter(loader)
        next(read)
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        count = sum(len(image) for image, _ in read)
        seconds, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    finally:
        torch.set_num_threads(threads)
    figures: Figures = {
        "crops_per_s": count / seconds,
        "crops": count,
        "workers": workers,
        "seconds": seconds,
    }
    # On a shared core the time on the clock is not the program's own.
    return figures if workers else {**figures, "crops_per_cpu_s": count / cpu_s}


def profile(images: PartDataset, count: int) -> None:
    """Print where the time of ``count`` crops goes."""
    profiler = cProfile.Profile()
    profiler.enable()
    for item in range(min(count, len(images))):
        images[item]
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(18)


def main() -> None:
    """Measure each set, decoded anew and from memory, in the loop itself and with worker processes."""
    from flawscope.training.config_load import load_config

    parser = make_parser(__doc__)
    parser.add_argument("--sets", nargs="+", default=SETS, help=f"image sets (default {' '.join(SETS)})")
    parser.add_argument("--recipe", default="crack-quick", help="whose crops and augmentation")
    parser.add_argument(
        "--set-option", action="append", default=[], metavar="A.B=C", help="change the recipe"
    )
    parser.add_argument("--crop", type=int, default=256, help="edge of a crop in px")
    parser.add_argument("--batches", type=int, default=40, help="batches of 8 that are timed")
    parser.add_argument("--workers", type=int, nargs="+", default=[0])
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead")
    options = parser.parse_args()
    root = data_folder(options.data, *options.sets)
    config = load_config(options.recipe, [f"data.crop_px={options.crop}", *options.set_option])
    figures: Figures = {
        "recipe": options.recipe,
        "crop_px": options.crop,
        "least": LEAST_CROPS_PER_S,
        "sets": {},
    }
    slowest = float("inf")
    for name in options.sets:
        of_set: Figures = {}
        for label, cached in (("decoded_anew", False), ("from_memory", True)):
            images = make_images(root / name, config, cached, most=200)
            if options.profile:
                say(f"{name}, {label}")
                profile(images, 8 * options.batches)
                continue
            images.crops.store.warm()
            for workers in options.workers:
                found = measure(images, options.batches, 8, workers)
                of_set[f"{label}_workers_{workers}"] = found
                rate = found.get("crops_per_cpu_s", found["crops_per_s"])
                slowest = min(slowest, rate)
                line = f"{name}, {label}, {workers} workers: {found['crops_per_s']:.1f} crops/s"
                say(line if workers else f"{line}, {rate:.1f} a second of the core")
        figures["sets"][name] = of_set
    write_result(options.json, figures)
    if slowest < LEAST_CROPS_PER_S:
        fail(f"{slowest:.1f} crops/s; expected at least {LEAST_CROPS_PER_S:g} on one core.")


if __name__ == "__main__":
    main()
