"""Training crops a second: cutting, augmenting and preprocessing, without any network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from common import Figures, data_folder, make_parser, say, write_result

if TYPE_CHECKING:
    from flawscope.training.crops import CropDataset


def make_crops(data: Path, recipe: str) -> CropDataset:
    """The crops that a recipe would train on, all pictures decoded."""
    from flawscope.data.open import open_dataset
    from flawscope.training.config_load import load_config
    from flawscope.training.crops import CropDataset, CropPlan
    from flawscope.training.prepare import make_store, prepare
    from flawscope.training.progress import Silent

    config = load_config(recipe, ())
    prepared = prepare(config, open_dataset(data), None, Silent(), 1)
    store = make_store(config, prepared, None, 1)
    store.warm()
    return CropDataset(store, CropPlan.of(config.data, 0), config.input, config.augment)


def measure(crops: CropDataset, batches: int, batch: int, workers: int) -> Figures:
    """Crops a second, the start of worker processes left out (the first batch is not timed)."""
    import torch

    from flawscope.training.crops import Step, deal
    from flawscope.training.loop import make_loader

    steps: list[Step] = []
    epoch = 0
    while len(steps) <= batches:
        steps += deal(crops.order(epoch), batch)
        epoch += 1
    loader = make_loader(crops, steps[: batches + 1], workers, torch.device("cpu"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        read = iter(loader)
        next(read)
        began = time.perf_counter()
        images = sum(len(image) for image, _ in read)
        seconds = time.perf_counter() - began
    finally:
        torch.set_num_threads(threads)
    return {"crops_per_s": images / seconds, "crops": images, "workers": workers, "seconds": seconds}


def main() -> None:
    """Measure in the loop itself and with worker processes."""
    parser = make_parser(__doc__)
    parser.add_argument("--set", default="cfd", help="image set (default cfd)")
    parser.add_argument("--recipe", default="crack-quick")
    parser.add_argument("--batches", type=int, default=60)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    options = parser.parse_args()
    folder = data_folder(options.data, options.set) / options.set
    crops = make_crops(folder, options.recipe)
    figures: Figures = {"set": options.set, "recipe": options.recipe, "crop_px": crops.plan.crop_px}
    for workers in options.workers:
        found = measure(crops, options.batches, 8, workers)
        figures[f"workers_{workers}"] = found
        say(f"{found['crops_per_s']:.1f} crops/s of {crops.plan.crop_px} px, {workers} workers")
    write_result(options.json, figures)


if __name__ == "__main__":
    main()
