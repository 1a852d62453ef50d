"""Varies a training crop and its mask, with torchvision's v2 functions on ``tv_tensors``.

All randomness comes from the NumPy generator that is passed in: the same generator state gives the same
crop, in any process. Work is done on uint8. OpenCV turns hues, some 30 times faster, and compresses, which
torchvision is about to give up. Steps drawn from a pool are in :mod:`flawscope.training.random_augment`,
wider masks in :mod:`flawscope.training.stochastic_width`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from flawscope.training.augment_config import (
    AffineConfig,
    AmountConfig,
    AugmentConfig,
    BlurConfig,
    DownscaleConfig,
    GammaConfig,
    HueConfig,
    JpegConfig,
    NoiseConfig,
)
from flawscope.training.pixels import (
    Pair,
    Rng,
    Step,
    blur,
    from_rows,
    make_small,
    rows_of,
    through_table,
    turn_hue,
)
from flawscope.training.random_augment import build_random
from flawscope.types import IGNORE_INDEX, Mask, RgbImage


@dataclass(frozen=True)
class Augment:
    """A chain of steps, each with its probability."""

    steps: tuple[tuple[float, Step], ...]

    def __call__(self, image: RgbImage, mask: Mask, rng: Rng) -> tuple[RgbImage, Mask]:
        """Varies an H x W x 3 uint8 image and its mask (H x W uint8 or H x W x C bool); sizes stay.

        Masks come back as uint8, of the same number of axes; 255 marks pixels to ignore, also in each
        plane of a stack.
        """
        flat = mask.ndim == 2
        planes = torch.from_numpy(np.ascontiguousarray(mask, dtype=np.uint8))
        pair: Pair = (
            tv_tensors.Image(torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)),
            tv_tensors.Mask(planes.unsqueeze(0) if flat else planes.permute(2, 0, 1)),
        )
        for probability, step in self.steps:
            if rng.random() < probability:
                pair = step(pair, rng)
        varied = np.ascontiguousarray(pair[0].as_subclass(Tensor).permute(1, 2, 0).numpy())
        planes = pair[1].as_subclass(Tensor)
        turned = planes[0] if flat else planes.permute(1, 2, 0)
        return varied, np.ascontiguousarray(turned.numpy())


def build_augment(config: AugmentConfig) -> Augment | None:
    """The chain of a configuration, without the steps that never happen; None when nothing does."""
    steps: Iterable[tuple[float, Step]] = (
        (config.flip_horizontal, lambda pair, _rng: _both(functional.horizontal_flip, pair)),
        (config.flip_vertical, lambda pair, _rng: _both(functional.vertical_flip, pair)),
        (config.rotate90, _quarter_turns),
        (config.affine.p, _with(_affine, config.affine)),
        (config.downscale.p, _on_image(_downscale, config.downscale)),
        (config.blur.p, _on_image(_blur, config.blur)),
        (config.brightness.p, _on_image(_brightness, config.brightness)),
        (config.contrast.p, _on_image(_contrast, config.contrast)),
        (config.gamma.p, _on_image(_gamma, config.gamma)),
        (config.saturation.p, _on_image(_saturation, config.saturation)),
        (config.hue.p, _on_image(_hue, config.hue)),
        (config.grey, lambda pair, _rng: (functional.rgb_to_grayscale(pair[0], 3), pair[1])),
        (config.noise.p, _on_image(_noise, config.noise)),
        (config.jpeg.p, _on_image(_jpeg, config.jpeg)),
    )
    used = tuple(step for step in steps if step[0] > 0)
    drawn = build_random(config.random)
    if drawn is not None:
        used = (*used, (1.0, drawn))
    return Augment(used) if used else None


def _with(step: Callable[[Pair, Rng, Any], Pair], config: Any) -> Step:
    return lambda pair, rng: step(pair, rng, config)


def _on_image(step: Callable[[Tensor, Rng, Any], Tensor], config: Any) -> Step:
    return lambda pair, rng: (step(pair[0], rng, config), pair[1])


def _both(step: Callable[..., Tensor], pair: Pair, *values: Any) -> Pair:
    return step(pair[0], *values), step(pair[1], *values)


def _quarter_turns(pair: Pair, rng: Rng) -> Pair:
    height, width = pair[0].shape[-2:]
    turns = int(rng.integers(1, 4)) if height == width else 2
    return _both(lambda one: tv_tensors.wrap(torch.rot90(one, turns, (-2, -1)), like=one), pair)


def _affine(pair: Pair, rng: Rng, config: AffineConfig) -> Pair:
    image, mask = pair
    height, width = image.shape[-2:]
    angle = float(rng.uniform(-config.rotate_deg, config.rotate_deg))
    shift = [round(float(rng.uniform(-config.shift, config.shift)) * edge) for edge in (width, height)]
    # Even odds for half and double: scales are drawn on a logarithmic axis.
    scale = math.exp(float(rng.uniform(*np.log(config.scale))))
    shear = [float(rng.uniform(-config.shear_deg, config.shear_deg)), 0.0]
    moved = functional.affine(mask, angle, shift, scale, shear, fill=IGNORE_INDEX)
    bilinear = InterpolationMode.BILINEAR
    if config.fill == "constant":
        grey = [float(value) for value in image.float().mean(dim=(1, 2))]
        return functional.affine(image, angle, shift, scale, shear, interpolation=bilinear, fill=grey), moved
    margin = _margin_px(height, width, angle, scale, shear[0], shift)
    wide = functional.pad(image, [margin[0], margin[1], margin[0], margin[1]], padding_mode="reflect")
    wide = functional.affine(wide, angle, shift, scale, shear, interpolation=bilinear)
    return functional.crop(wide, margin[1], margin[0], height, width), moved


def _margin_px(
    height: int, width: int, angle: float, scale: float, shear: float, shift: list[int]
) -> tuple[int, int]:
    """How far (x, y) the crop looks beyond itself, up to what one reflection can give.

    Bounds the inverse map of the crop's corners; a shear of s lengthens by at most 1 / cos s + tan s.
    """
    reach = (1.0 / math.cos(math.radians(shear)) + abs(math.tan(math.radians(shear)))) / scale
    turn = math.radians(abs(angle))
    cosine, sine = abs(math.cos(turn)), abs(math.sin(turn))
    half_x, half_y = width / 2 + abs(shift[0]), height / 2 + abs(shift[1])
    need_x = reach * (half_x * cosine + half_y * sine) - width / 2
    need_y = reach * (half_x * sine + half_y * cosine) - height / 2
    return (
        min(max(math.ceil(need_x) + 1, 0), width - 1),
        min(max(math.ceil(need_y) + 1, 0), height - 1),
    )


def _factor(rng: Rng, config: AmountConfig) -> float:
    return 1.0 + float(rng.uniform(-config.amount, config.amount))


def _brightness(image: Tensor, rng: Rng, config: AmountConfig) -> Tensor:
    return functional.adjust_brightness(image, _factor(rng, config))


def _contrast(image: Tensor, rng: Rng, config: AmountConfig) -> Tensor:
    return functional.adjust_contrast(image, _factor(rng, config))


def _saturation(image: Tensor, rng: Rng, config: AmountConfig) -> Tensor:
    return functional.adjust_saturation(image, _factor(rng, config))


def _gamma(image: Tensor, rng: Rng, config: GammaConfig) -> Tensor:
    gamma = math.exp(float(rng.uniform(*np.log(config.gamma))))
    return through_table(image, 255.0 * (np.arange(256) / 255.0) ** gamma)


def _hue(image: Tensor, rng: Rng, config: HueConfig) -> Tensor:
    return turn_hue(image, float(rng.uniform(-config.degrees, config.degrees)))


def _blur(image: Tensor, rng: Rng, config: BlurConfig) -> Tensor:
    return blur(image, float(rng.uniform(*config.sigma_px)))


def _noise(image: Tensor, rng: Rng, config: NoiseConfig) -> Tensor:
    sigma = float(rng.uniform(*config.sigma))
    planes = 3 if rng.random() < 0.5 else 1
    noise = rng.standard_normal((planes, *image.shape[-2:]), dtype=np.float32) * np.float32(sigma)
    noisy = image.float() + torch.from_numpy(noise)
    return tv_tensors.wrap(noisy.round().clamp(0, 255).to(torch.uint8), like=image)


def _jpeg(image: Tensor, rng: Rng, config: JpegConfig) -> Tensor:
    import cv2

    low, high = config.quality
    quality = int(rng.integers(low, high + 1))
    bgr = np.ascontiguousarray(rows_of(image)[..., ::-1])
    _, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded on the line before
    return from_rows(np.ascontiguousarray(decoded[..., ::-1]), image)


def _downscale(image: Tensor, rng: Rng, config: DownscaleConfig) -> Tensor:
    return make_small(image, float(rng.uniform(*config.factor)))
