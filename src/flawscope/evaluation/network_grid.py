"""Images and truth on the grid that the network works on (``evaluate --at network``)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from flawscope.bundle import Bundle
from flawscope.errors import UsageError
from flawscope.inspection.preprocess import network_size_hw, resize_image
from flawscope.types import Mask, RgbImage


def to_network_grid(predictor: object, image: RgbImage, mask: Mask) -> tuple[RgbImage, Mask]:
    """Image and mask as the network of a bundle sees them. Raises UsageError without a bundle."""
    bundle: Bundle | None = getattr(predictor, "bundle", None)
    if bundle is None:
        raise UsageError("--at network needs a bundle, which says on which grid its network works.")
    size_hw = network_size_hw((image.shape[0], image.shape[1]), bundle.manifest.input)
    return resize_image(image, size_hw), resize_mask(mask, size_hw)


def resize_mask(mask: Mask, size_hw: tuple[int, int]) -> Mask:
    """A mask at another size. Nearest neighbour: class ids must not be mixed."""
    if mask.shape[:2] == size_hw:
        return mask
    if mask.ndim == 3:
        return np.stack([resize_mask(mask[..., k], size_hw) for k in range(mask.shape[2])], axis=-1)
    resized = Image.fromarray(mask.astype(np.uint8)).resize(size_hw[::-1], Image.Resampling.NEAREST)
    return np.asarray(resized).astype(mask.dtype)
