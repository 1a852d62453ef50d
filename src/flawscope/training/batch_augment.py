"""Varies whole batches of images at once, on tensors: a batch of 256 digits in a few milliseconds.

Takes the keys of ``[augment]`` that one resampling or a few products can do (flips, quarter turns, affine,
brightness, contrast, noise) and those of ``[classify]``. What else ``[augment]`` asks for is done to each
image by itself before that. All randomness comes from the NumPy generator that is passed in.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from flawscope.training.augment import build_augment
from flawscope.training.augment_config import AffineConfig, AmountConfig, AugmentConfig, NoiseConfig
from flawscope.training.classify_config import ClassifyConfig, ElasticConfig, EraseConfig

Rng = np.random.Generator
Floats = npt.NDArray[np.float32]

_OFF = {
    "flip_horizontal": 0.0,
    "flip_vertical": 0.0,
    "rotate90": 0.0,
    "affine": AffineConfig(),
    "brightness": AmountConfig(),
    "contrast": AmountConfig(),
    "noise": NoiseConfig(),
}
"""Keys that are done to whole batches."""


class BatchAugment:
    """What ``[augment]`` and ``[classify]`` do to a batch."""

    def __init__(self, augment: AugmentConfig, classify: ClassifyConfig) -> None:
        self.augment = augment
        self.classify = classify
        self._each = build_augment(augment.model_copy(update=_OFF))

    def __call__(self, batch: Tensor, rng: Rng) -> Tensor:
        """Vary images N x C x H x W uint8; returns float32 of the same shape, 0..255."""
        if self._each is not None:
            batch = torch.stack([self._one(image, rng) for image in batch])
        images = batch.float()
        images = _flips(images, self.augment, rng)
        images = _resample(images, self.augment.affine, self.classify.elastic, rng)
        images = _shift(images, self.classify.shift_px, self.augment.affine.fill, rng)
        images = _levels(images, self.augment.brightness, self.augment.contrast, rng)
        images = _noise(images, self.augment.noise, rng)
        return _erase(images, self.classify.erase, rng)

    def _one(self, image: Tensor, rng: Rng) -> Tensor:
        assert self._each is not None
        rows = image.permute(1, 2, 0).expand(-1, -1, 3).contiguous().numpy()
        varied, _ = self._each(rows, np.zeros(rows.shape[:2], np.uint8), rng)
        return torch.from_numpy(varied).permute(2, 0, 1)[: image.shape[0]]


def _chosen(count: int, p: float, rng: Rng) -> npt.NDArray[np.bool_]:
    return rng.random(count) < p


def _flips(images: Tensor, config: AugmentConfig, rng: Rng) -> Tensor:
    for axis, p in ((-1, config.flip_horizontal), (-2, config.flip_vertical)):
        if p:
            which = torch.from_numpy(_chosen(len(images), p, rng))
            images[which] = images[which].flip(axis)
    if config.rotate90:
        turns = rng.integers(1, 4, len(images)) * _chosen(len(images), config.rotate90, rng)
        if images.shape[-1] != images.shape[-2]:
            turns = 2 * (turns > 0)  # a quarter turn would not fit
        for quarter in np.unique(turns[turns > 0]):
            which = torch.from_numpy(turns == quarter)
            images[which] = images[which].rot90(int(quarter), (-2, -1))
    return images


def _resample(images: Tensor, affine: AffineConfig, elastic: ElasticConfig, rng: Rng) -> Tensor:
    """Affine and elastic changes in one bilinear resampling; the other images stay as they are."""
    count, _, height, width = images.shape
    if not affine.p and not elastic.p:
        return images
    matrix, offset = _affine_maps(count, (height, width), affine, rng)
    y = torch.arange(height, dtype=torch.float32) - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float32) - (width - 1) / 2
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    places = torch.stack([columns, rows], dim=-1).view(1, -1, 2)  # (x, y), in px from the middle
    source = places @ torch.from_numpy(matrix).transpose(1, 2) + torch.from_numpy(offset)[:, None]
    source = source.view(count, height, width, 2)
    if elastic.p:
        source = source + _elastic_ways(count, (height, width), elastic, rng)
    half = torch.tensor([(width - 1) / 2, (height - 1) / 2]).clamp_min(0.5)
    padding = "reflection" if affine.fill == "reflect" else "zeros"
    return functional.grid_sample(images, source / half, "bilinear", padding, align_corners=True)


def _affine_maps(
    count: int, size_hw: tuple[int, int], config: AffineConfig, rng: Rng
) -> tuple[Floats, Floats]:
    """For each image a 2 x 2 matrix and an offset in px, from places of the result to those of the source."""
    on = _chosen(count, config.p, rng)
    angle = np.radians(rng.uniform(-config.rotate_deg, config.rotate_deg, count)) * on
    low, high = np.log(config.scale)
    shrink = np.exp(-rng.uniform(low, high, count) * on)
    shear = np.tan(np.radians(rng.uniform(-config.shear_deg, config.shear_deg, count))) * on
    cosine, sine = np.cos(angle) * shrink, np.sin(angle) * shrink
    matrix = np.stack([cosine, shear * cosine - sine, sine, shear * sine + cosine], axis=1).reshape(-1, 2, 2)
    reach = config.shift * np.array([size_hw[1], size_hw[0]])
    offset = rng.uniform(-1.0, 1.0, (count, 2)) * reach * on[:, None]
    return matrix.astype(np.float32), offset.astype(np.float32)


def _elastic_ways(count: int, size_hw: tuple[int, int], config: ElasticConfig, rng: Rng) -> Tensor:
    """N x H x W x 2 ways (x, y) in px: noise on a coarse grid, interpolated."""
    coarse = [max(2, round(side / config.smooth_px) + 1) for side in size_hw]
    noise = rng.standard_normal((count, 2, *coarse), dtype=np.float32) * np.float32(config.amount_px)
    noise *= _chosen(count, config.p, rng)[:, None, None, None]
    ways = functional.interpolate(torch.from_numpy(noise), size_hw, mode="bicubic", align_corners=True)
    return ways.permute(0, 2, 3, 1)


def _shift(images: Tensor, most_px: int, fill: str, rng: Rng) -> Tensor:
    """Whole pixels, each image its own way; nothing is resampled."""
    if not most_px:
        return images
    count, _, height, width = images.shape
    rows = np.arange(height)[None] + rng.integers(-most_px, most_px + 1, (count, 1))
    columns = np.arange(width)[None] + rng.integers(-most_px, most_px + 1, (count, 1))
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None]
    rows, columns = _mirrored(rows, height), _mirrored(columns, width)
    number = torch.arange(count)[:, None, None]
    # Advanced indices on both sides of a slice put their axes first: N x H x W x C.
    moved = images[number, :, torch.from_numpy(rows)[:, :, None], torch.from_numpy(columns)[:, None]]
    moved = moved.permute(0, 3, 1, 2)
    return moved if fill == "reflect" else moved * torch.from_numpy(inside)[:, None]


def _mirrored(places: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Places outside, mirrored at the border (without repeating it)."""
    if size == 1:
        return np.zeros_like(places)
    folded = np.abs(places) % (2 * size - 2)
    return np.where(folded < size, folded, 2 * size - 2 - folded)


def _levels(images: Tensor, brightness: AmountConfig, contrast: AmountConfig, rng: Rng) -> Tensor:
    count = len(images)
    for config, about_mean in ((brightness, False), (contrast, True)):
        if not config.p:
            continue
        change = rng.uniform(-config.amount, config.amount, count) * _chosen(count, config.p, rng)
        factor = torch.from_numpy((1.0 + change).astype(np.float32)).view(-1, 1, 1, 1)
        middle = images.mean(dim=(1, 2, 3), keepdim=True) if about_mean else torch.zeros(1)
        images = (middle + factor * (images - middle)).clamp(0.0, 255.0)
    return images


def _noise(images: Tensor, config: NoiseConfig, rng: Rng) -> Tensor:
    if not config.p:
        return images
    sigma = rng.uniform(*config.sigma, len(images)) * _chosen(len(images), config.p, rng)
    noise = torch.from_numpy(rng.standard_normal(images.shape, dtype=np.float32))
    return (images + noise * torch.from_numpy(sigma.astype(np.float32)).view(-1, 1, 1, 1)).clamp(0.0, 255.0)


def _erase(images: Tensor, config: EraseConfig, rng: Rng) -> Tensor:
    if not config.p:
        return images
    count, _, height, width = images.shape
    inside = np.ones((count, 1, 1), dtype=bool)
    for axis, side in ((1, height), (2, width)):
        edge = rng.uniform(*config.share, count) * side
        start = rng.uniform(0.0, 1.0, count) * (side - edge)
        place = np.arange(side)[None]
        hit = (place >= start[:, None]) & (place < (start + edge)[:, None])
        inside = inside & np.expand_dims(hit, 3 - axis)
    inside &= _chosen(count, config.p, rng)[:, None, None]
    grey = images.mean(dim=(2, 3), keepdim=True)
    return torch.where(torch.from_numpy(inside)[:, None], grey, images)
