"""Images a second on one core of CoreDeep's random augmentation: two of nineteen steps on 448 x 448 px.

Each step of the pool is timed by itself too. No image set is needed: the picture is synthetic.
"""

from __future__ import annotations

import time

from common import Figures, make_parser, say, write_result


def measure(images: int, size_px: int, n: int = 2) -> Figures:
    """Images a second of the whole pool and milliseconds of each step, by the process's own time."""
    import cv2
    import numpy as np
    import torch

    from flawscope.data.synthetic.concrete import render_concrete
    from flawscope.training.augment import build_augment
    from flawscope.training.augment_config import RANDOM_STEPS, AugmentConfig

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    drawn = render_concrete(905, (size_px, size_px))
    still = {"flip_horizontal": 0.0, "flip_vertical": 0.0, "rotate90": 0.0}

    def seconds_each(pool: tuple[str, ...], steps: int, count: int) -> float:
        config = AugmentConfig.model_validate({**still, "random": {"n": steps, "pool": pool}})
        augment = build_augment(config)
        assert augment is not None
        rng = np.random.default_rng(0)
        augment(drawn.image, drawn.mask, rng)
        # Time on the processor: other processes on the machine do not count.
        began = time.process_time()
        for _ in range(count):
            augment(drawn.image, drawn.mask, rng)
        return (time.process_time() - began) / count

    each_ms = {name: 1000 * seconds_each((name,), 1, max(1, images // 20)) for name in RANDOM_STEPS}
    return {
        "images_per_s": 1 / seconds_each(RANDOM_STEPS, n, images),
        "n": n,
        "size_px": size_px,
        "images": images,
        "step_ms": each_ms,
        "slowest_step_images_per_s": 1000 / max(each_ms.values()),
    }


def main() -> None:
    """Measure and tell."""
    parser = make_parser(__doc__)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--size-px", type=int, default=448)
    options = parser.parse_args()
    figures = measure(options.images, options.size_px)
    for name, step_ms in sorted(figures["step_ms"].items(), key=lambda item: -item[1]):
        say(f"  {name:<22} {step_ms:6.2f} ms")
    say(f"{figures['images_per_s']:.0f} images of {options.size_px} px a second, two steps each, one core")
    write_result(options.json, figures)


if __name__ == "__main__":
    main()
