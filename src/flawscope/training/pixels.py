"""What all augmentation shares: the pair that every step takes and returns, and work on its pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision import tv_tensors

Rng = np.random.Generator
Pair = tuple[Tensor, Tensor]
"""Image 3 x H x W and mask K x H x W, both uint8 ``tv_tensors``."""
Step = Callable[[Pair, Rng], Pair]


def rows_of(image: Tensor) -> npt.NDArray[np.uint8]:
    """C x H x W as a contiguous array H x W x C, as OpenCV takes it."""
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


def from_rows(rows: npt.NDArray[Any], like: Tensor) -> Tensor:
    """H x W x C back to C x H x W of the kind of ``like``."""
    turned = torch.from_numpy(rows if rows.ndim == 3 else rows[..., None]).permute(2, 0, 1).contiguous()
    return tv_tensors.wrap(turned, like=like)


def through_table(image: Tensor, table: npt.NDArray[np.floating]) -> Tensor:
    """The image with each value replaced by that of ``table`` (256 numbers, rounded and cut to 0..255).

    So 256 powers or products are taken instead of one a pixel.
    """
    values = np.clip(np.rint(table), 0, 255).astype(np.uint8)
    return tv_tensors.wrap(torch.from_numpy(values[image.numpy()]), like=image)


def turn_hue(image: Tensor, degrees: float) -> Tensor:
    """The image with its colour circle turned."""
    import cv2

    hsv = cv2.cvtColor(rows_of(image), cv2.COLOR_RGB2HSV_FULL)
    # The full circle is 256 steps, so that uint8 wraps around as hue does.
    hsv[..., 0] += np.uint8(round(degrees / 360.0 * 256.0) % 256)
    return from_rows(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL), image)


def make_small(image: Tensor, factor: float) -> Tensor:
    """The image scaled by ``factor`` < 1 and back to its size: detail is lost."""
    from torchvision.transforms.v2 import functional

    height, width = image.shape[-2:]
    small: Tensor = functional.resize(image, [max(1, round(height * factor)), max(1, round(width * factor))])
    back: Tensor = functional.resize(small, [height, width])
    return back


def blur(image: Tensor, sigma_px: float) -> Tensor:
    """Gaussian blur; an image smaller than the kernel stays as it is."""
    from torchvision.transforms.v2 import functional

    radius = int(np.ceil(2.5 * sigma_px))
    if radius >= min(image.shape[-2:]):
        return image
    blurred: Tensor = functional.gaussian_blur(image, [2 * radius + 1] * 2, [sigma_px, sigma_px])
    return blurred
