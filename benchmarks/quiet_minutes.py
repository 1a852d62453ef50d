"""How long a quiet minute lasts on this machine now, in seconds.

A quiet minute is a measure of work: 24 training steps of a ResNet-18 U-Net (segmentation-models-pytorch,
random weights, batch 8, crops of 256 x 256, channels-last, binary cross-entropy, AdamW). Machines differ and
are noisy; figures that were reached in so many quiet minutes can be compared.
"""

from __future__ import annotations

import statistics
import time

from common import make_parser, say, write_result

STEPS = 24
"""Steps in a quiet minute."""
WARM_UP = 2
BATCH, CROP_PX = 8, 256


def measure_quiet_minute(
    steps: int = 6, threads: int = 0, batch: int = BATCH, crop_px: int = CROP_PX
) -> float:
    """Seconds of a quiet minute: 24 times the median of ``steps`` steps, after two steps of warm-up.

    ``threads``: of torch, 0 = as training takes them (OMP_NUM_THREADS or all cores). ``batch`` and
    ``crop_px`` are for tests; with other values the result is no quiet minute.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or threads_of_training())
    try:
        return STEPS * statistics.median(_step_seconds(steps, batch, crop_px))
    finally:
        torch.set_num_threads(before)


def threads_of_training() -> int:
    """Threads that `flawscope train` uses here without a word about them."""
    from flawscope.inspection.runtimes import default_threads

    return default_threads()


def _step_seconds(steps: int, batch: int, crop_px: int) -> list[float]:
    import segmentation_models_pytorch as smp
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    generator = torch.Generator().manual_seed(0)
    network = smp.Unet("resnet18", encoder_weights=None, in_channels=3, classes=1)
    network = network.to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    image = torch.randn(batch, 3, crop_px, crop_px, generator=generator)
    image = image.to(memory_format=torch.channels_last)
    target = (torch.rand(batch, 1, crop_px, crop_px, generator=generator) > 0.95).float()
    seconds = []
    for _ in range(WARM_UP + steps):
        began = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        loss = binary_cross_entropy_with_logits(network(image), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        seconds.append(time.perf_counter() - began)
    return seconds[WARM_UP:]


def main() -> None:
    """Measure once and print it."""
    parser = make_parser(__doc__)
    parser.add_argument("--steps", type=int, default=6, help="steps that are timed (default 6)")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch (default: as training)")
    options = parser.parse_args()
    seconds = measure_quiet_minute(options.steps, options.threads)
    figures = {
        "quiet_minute_s": seconds,
        "step_s": seconds / STEPS,
        "steps": options.steps,
        "threads": options.threads or threads_of_training(),
    }
    say(f"A quiet minute takes {seconds:.1f} s here ({seconds / STEPS:.3f} s a step).")
    write_result(options.json, figures)


if __name__ == "__main__":
    main()
