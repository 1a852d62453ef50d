"""The one preprocessing. Training's validation, evaluation, every runtime and the service call this and
nothing else."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.errors import ImageError
from flawscope.manifest import InputSpec
from flawscope.types import FloatArray, RgbImage

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601 luma weights."""


def preprocess(image: RgbImage, spec: InputSpec) -> FloatArray:
    """Normalise a picture for the network: ``(value / 255 - mean) / std`` in the manifest's channels.

    ``image`` is H x W x 3 uint8 RGB; the result is C x H x W float32, C-contiguous, C = 1 for ``grey``, else
    3. Raises ImageError for any other kind of array.
    """
    check_rgb(image)
    mean = np.asarray(spec.mean, dtype=np.float32)
    std = np.asarray(spec.std, dtype=np.float32)
    # value * gain + shift, with a gain and a shift per channel: one pass over the pixels.
    gain = np.float32(1.0) / (np.float32(255.0) * std)
    shift = -mean / std
    count = spec.channel_count
    out = np.empty((count, *image.shape[:2]), dtype=np.float32)
    grey = None if spec.channels == "rgb" else _grey(image)
    for channel in range(count):
        np.multiply(image[..., channel] if grey is None else grey, gain[channel], out=out[channel])
        out[channel] += shift[channel]
    return out


def resize_for(image: RgbImage, spec: InputSpec) -> RgbImage:
    """The picture at the size the network works on: unchanged for ``tile``, resized (bilinear) for
    ``resize``."""
    if spec.mode == "tile":
        return image
    return resize_image(image, network_size_hw((image.shape[0], image.shape[1]), spec))


def network_size_hw(size_hw: tuple[int, int], spec: InputSpec) -> tuple[int, int]:
    """Height and width on which the network sees a photograph of ``size_hw``, before padding to the
    stride."""
    if spec.mode == "tile":
        return size_hw
    if spec.size_hw is not None:
        return spec.size_hw
    return scaled_size_hw(size_hw, spec.factor or 1.0)


def seen_after(spec: InputSpec, first: InputSpec) -> InputSpec:
    """An input for pictures that :func:`network_size_hw` has brought to the size of input ``first`` already.

    What is left of a share of the size is its ratio to the share that ``first`` took. Where ``first`` names
    one size for all, or tiles, a share stays as it is: of that size.
    """
    if spec.factor is None or first.factor is None:
        return spec
    return spec.model_copy(update={"factor": spec.factor / first.factor})


def scaled_size_hw(size_hw: tuple[int, int], factor: float) -> tuple[int, int]:
    """Size times factor, rounded, at least 1 x 1."""
    return max(1, round(size_hw[0] * factor)), max(1, round(size_hw[1] * factor))


def resize_image(image: RgbImage, size_hw: tuple[int, int]) -> RgbImage:
    """H x W x 3 uint8 resized by a triangle filter that averages when it shrinks (no aliasing)."""
    check_rgb(image)
    if image.shape[:2] == size_hw:
        return image
    picture = Image.fromarray(np.ascontiguousarray(image))
    resized = picture.resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8)


def check_rgb(image: npt.NDArray[np.generic]) -> None:
    """ImageError unless the array is H x W x 3 uint8 with at least one pixel."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ImageError(
            f"The picture is an array of shape {image.shape} and type {image.dtype}.\n"
            "Expected height x width x 3, uint8, RGB."
        )


def _grey(image: RgbImage) -> FloatArray:
    grey = np.multiply(image[..., 0], _LUMA[0], dtype=np.float32)
    grey += image[..., 1] * _LUMA[1]
    grey += image[..., 2] * _LUMA[2]
    return np.asarray(grey, dtype=np.float32)
