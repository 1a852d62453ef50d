"""CoreDeep's random augmentation: two of nineteen steps, drawn anew for each crop, one after the other.

After RandAugment (Cubuk et al. 2020): every step takes one magnitude, 0 (barely visible) to 1 (the most it
can do), and draws its own strength up to that. Geometry moves image and mask together, the image with linear
interpolation and mirrored at its border, the mask with the nearest pixel and ignored (255) outside. All else
touches the image only, but for mask dropout, which takes a defect out of both.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from flawscope.training.augment_config import RandomAugmentConfig, RandomStep
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
from flawscope.types import IGNORE_INDEX

Strong = Callable[[Pair, Rng, float], Pair]
"""A step with its magnitude, 0..1."""


def build_random(config: RandomAugmentConfig) -> Step | None:
    """The step that draws ``n`` of the pool and does them in sequence; None where nothing is drawn."""
    if not config.n:
        return None
    pool, n, magnitude, replace = config.pool, config.n, config.magnitude, config.replace

    def draw(pair: Pair, rng: Rng) -> Pair:
        for number in rng.choice(len(pool), size=n, replace=replace):
            pair = STEPS[pool[int(number)]](pair, rng, magnitude)
        return pair

    return draw


# --- geometry -------------------------------------------------------------------------------------------


def _warp(
    pair: Pair,
    angle_deg: float = 0.0,
    scale: float = 1.0,
    shear_deg: tuple[float, float] = (0.0, 0.0),
    shift: tuple[float, float] = (0.0, 0.0),
) -> Pair:
    """One resampling about the middle; ``shift`` (x, y) in shares of the picture's edges.

    OpenCV: its mirrored border is exact, and it takes a fifth of the time of padding and resampling a tensor.
    """
    import cv2

    image, mask = pair
    height, width = image.shape[-2:]
    turn, (sx, sy) = math.radians(angle_deg), (math.tan(math.radians(s)) for s in shear_deg)
    cosine, sine = scale * math.cos(turn), scale * math.sin(turn)
    linear = np.array([[cosine, sine], [-sine, cosine]]) @ np.array([[1.0, sx], [sy, 1.0]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = middle - linear @ middle + np.array(shift) * (width, height)
    matrix = np.hstack([linear, offset[:, None]])
    moved = cv2.warpAffine(
        rows_of(image), matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    planes = [
        cv2.warpAffine(
            np.ascontiguousarray(plane.numpy()),
            matrix,
            (width, height),
            flags=cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=IGNORE_INDEX,
        )
        for plane in mask.as_subclass(Tensor)
    ]
    return from_rows(moved, image), from_rows(np.stack(planes, axis=-1), mask)


def _either(rng: Rng, most: float) -> float:
    return float(rng.uniform(-most, most))


def _scale_of(rng: Rng, magnitude: float) -> float:
    """Up to half and double at full magnitude, with even odds for either."""
    return float(2.0 ** _either(rng, magnitude))


def _flip(pair: Pair, rng: Rng, _magnitude: float) -> Pair:
    flip = (functional.horizontal_flip, functional.vertical_flip)[int(rng.integers(2))]
    return flip(pair[0]), flip(pair[1])


def _rotate(pair: Pair, rng: Rng, magnitude: float) -> Pair:
    return _warp(pair, angle_deg=_either(rng, 180.0 * magnitude))


def _shift_scale_rotate(pair: Pair, rng: Rng, magnitude: float) -> Pair:
    shift = (_either(rng, 0.125 * magnitude), _either(rng, 0.125 * magnitude))
    return _warp(pair, _either(rng, 90.0 * magnitude), _scale_of(rng, 0.4 * magnitude), shift=shift)


def _shear(pair: Pair, rng: Rng, magnitude: float) -> Pair:
    shear = _either(rng, 40.0 * magnitude)
    return _warp(pair, shear_deg=(shear, 0.0) if rng.random() < 0.5 else (0.0, shear))


def _scale(pair: Pair, rng: Rng, magnitude: float) -> Pair:
    return _warp(pair, scale=_scale_of(rng, magnitude))


def _translate(pair: Pair, rng: Rng, magnitude: float) -> Pair:
    return _warp(pair, shift=(_either(rng, 0.4 * magnitude), _either(rng, 0.4 * magnitude)))


# --- values ---------------------------------------------------------------------------------------------


def _on_image(step: Callable[[Tensor, Rng, float], Tensor]) -> Strong:
    return lambda pair, rng, magnitude: (step(pair[0], rng, magnitude), pair[1])


def _brightness_contrast(image: Tensor, rng: Rng, magnitude: float) -> Tensor:
    """Grey levels times a factor about mid-grey, plus an offset: one table."""
    contrast, brightness = 1.0 + _either(rng, 0.6 * magnitude), 255.0 * _either(rng, 0.4 * magnitude)
    return through_table(image, (np.arange(256) - 127.5) * contrast + 127.5 + brightness)


def _gamma(image: Tensor, rng: Rng, magnitude: float) -> Tensor:
    return through_table(image, 255.0 * (np.arange(256) / 255.0) ** (2.0 ** _either(rng, 1.5 * magnitude)))


def _multiplicative_noise(image: Tensor, rng: Rng, magnitude: float) -> Tensor:
    """Every value times a factor of its own."""
    factor = rng.random(tuple(image.shape), dtype=np.float32)
    factor *= np.float32(0.8 * magnitude)
    factor += np.float32(1.0 - 0.4 * magnitude)
    noisy = np.clip(np.rint(image.numpy() * factor), 0, 255).astype(np.uint8)
    return tv_tensors.wrap(torch.from_numpy(noisy), like=image)


def _downscale(image: Tensor, rng: Rng, magnitude: float) -> Tensor:
    return make_small(image, float(rng.uniform(1.0 - 0.85 * magnitude, 1.0 - 0.4 * magnitude)))


def _hue_saturation_value(image: Tensor, rng: Rng, magnitude: float) -> Tensor:
    import cv2

    hsv = cv2.cvtColor(rows_of(image), cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(round(_either(rng, 56.0 * magnitude)) % 256)
    for channel in (1, 2):
        table = np.clip(np.arange(256) + _either(rng, 80.0 * magnitude), 0, 255).astype(np.uint8)
        hsv[..., channel] = table[hsv[..., channel]]
    return from_rows(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL), image)


def _clahe(image: Tensor, rng: Rng, magnitude: float) -> Tensor:
    """Contrast-limited equalisation of the lightness in 8 x 8 tiles."""
    import cv2

    lab = cv2.cvtColor(rows_of(image), cv2.COLOR_RGB2LAB)
    equaliser = cv2.createCLAHE(clipLimit=float(rng.uniform(1.0, 1.0 + 7.0 * magnitude)), tileGridSize=(8, 8))
    lab[..., 0] = equaliser.apply(np.ascontiguousarray(lab[..., 0]))
    return from_rows(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), image)


def _colour_jitter(image: Tensor, rng: Rng, magnitude: float) -> Tensor:
    """Brightness, contrast and saturation by factors, then hue: as torchvision's, in a fixed order."""
    bright, contrast, colour = (1.0 + _either(rng, 0.4 * magnitude) for _ in range(3))
    mean = float(functional.rgb_to_grayscale(image).float().mean()) * bright
    changed = through_table(image, (np.arange(256) * bright - mean) * contrast + mean)
    return turn_hue(functional.adjust_saturation(changed, colour), _either(rng, 36.0 * magnitude))


def _gaussian_blur(image: Tensor, rng: Rng, magnitude: float) -> Tensor:
    return blur(image, float(rng.uniform(0.4, 0.4 + 2.6 * magnitude)))


def _median_blur(image: Tensor, rng: Rng, magnitude: float) -> Tensor:
    import cv2

    edge = 3 + 2 * int(rng.integers(1 + round(2 * magnitude)))
    return from_rows(cv2.medianBlur(rows_of(image), edge), image)


# --- parts taken out ------------------------------------------------------------------------------------


def _channel_dropout(image: Tensor, rng: Rng, _magnitude: float) -> Tensor:
    """One of the three channels goes dark."""
    kept = image.clone()
    kept[int(rng.integers(3))] = 0
    return tv_tensors.wrap(kept, like=image)


def _coarse_dropout(image: Tensor, rng: Rng, magnitude: float) -> Tensor:
    """Up to eight black rectangles; the mask stays, so that a line is learned to go on behind them."""
    holed = image.clone()
    height, width = image.shape[-2:]
    for _ in range(1 + int(rng.integers(1 + round(7 * magnitude)))):
        shares = rng.uniform(0.02, 0.04 + 0.12 * magnitude, size=2)
        h, w = max(1, round(height * shares[0])), max(1, round(width * shares[1]))
        top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        holed[:, top : top + h, left : left + w] = 0
    return tv_tensors.wrap(holed, like=image)


def _grid_dropout(image: Tensor, rng: Rng, magnitude: float) -> Tensor:
    """Black squares on a grid, up to half of every cell's edge."""
    height, width = image.shape[-2:]
    cell = max(2, min(height, width) // int(rng.integers(6, 13)))
    hole = max(1, round(cell * float(rng.uniform(0.1, 0.2 + 0.3 * magnitude))))
    rows = (np.arange(height) + rng.integers(cell)) % cell < hole
    columns = (np.arange(width) + rng.integers(cell)) % cell < hole
    holed = image.clone()
    holed[:, torch.from_numpy(rows[:, None] & columns[None, :])] = 0
    return tv_tensors.wrap(holed, like=image)


def _mask_dropout(pair: Pair, rng: Rng, _magnitude: float) -> Pair:
    """One defect is painted over with what surrounds it, and is no defect any more.

    Black paint, as elsewhere, would teach that black lines are no cracks.
    """
    import cv2

    image, mask = pair
    planes = mask.as_subclass(Tensor).numpy()
    drawn = ((planes > 0) & (planes != IGNORE_INDEX)).any(axis=0).astype(np.uint8)
    count, labels = cv2.connectedComponents(drawn)
    if count < 2:
        return pair
    gone = labels == 1 + int(rng.integers(count - 1))
    # The drawn edge of a crack is rarely all of it: paint a little further.
    painted = cv2.dilate(gone.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    cleared = np.where(gone & (planes != IGNORE_INDEX), 0, planes)
    rows = rows_of(image).copy()  # the caller's picture may lie in the same memory
    window = _around(painted)
    rows[window] = _painted_over(rows[window], painted[window])
    return (
        from_rows(rows, image),
        tv_tensors.wrap(torch.from_numpy(cleared), like=mask),
    )


_SURROUNDINGS_PX = 41
"""Edge of the square whose mean is painted."""


def _around(where: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """The box of what is painted over, and the surroundings that are looked at."""
    spans = [np.flatnonzero(where.any(axis=axis)) for axis in (1, 0)]
    first, second = (slice(max(0, at[0] - _SURROUNDINGS_PX), at[-1] + _SURROUNDINGS_PX + 1) for at in spans)
    return first, second


def _painted_over(rows: npt.NDArray[np.uint8], where: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """H x W x 3 with ``where`` filled by the mean of what lies around, and the grain of the picture on it."""
    import cv2

    known = (~where).astype(np.float32)
    weighted = rows.astype(np.float32) * known[..., None]
    edge = _SURROUNDINGS_PX
    weight = cv2.blur(known, (edge, edge))
    mean = cv2.blur(weighted, (edge, edge)) / np.maximum(weight, 1e-6)[..., None]
    mean[weight < 1e-6] = rows.mean(axis=(0, 1))
    # A neighbour's deviation from its own surroundings is as good a grain as any.
    grain = np.roll(np.where(where[..., None], 0.0, weighted - mean), (edge // 2, edge // 2), axis=(0, 1))
    filled = np.clip(np.rint(mean + grain), 0, 255).astype(np.uint8)
    return np.where(where[..., None], filled, rows)


STEPS: dict[RandomStep, Strong] = {
    "flip": _flip,
    "rotate": _rotate,
    "brightness_contrast": _on_image(_brightness_contrast),
    "shift_scale_rotate": _shift_scale_rotate,
    "shear": _shear,
    "scale": _scale,
    "translate": _translate,
    "multiplicative_noise": _on_image(_multiplicative_noise),
    "gamma": _on_image(_gamma),
    "downscale": _on_image(_downscale),
    "hue_saturation_value": _on_image(_hue_saturation_value),
    "clahe": _on_image(_clahe),
    "channel_dropout": _on_image(_channel_dropout),
    "coarse_dropout": _on_image(_coarse_dropout),
    "colour_jitter": _on_image(_colour_jitter),
    "gaussian_blur": _on_image(_gaussian_blur),
    "median_blur": _on_image(_median_blur),
    "grid_dropout": _on_image(_grid_dropout),
    "mask_dropout": _mask_dropout,
}
"""Every step by name."""
