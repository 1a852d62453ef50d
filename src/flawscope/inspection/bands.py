"""A network over an image of any size, band by band: memory is a few rows of tiles, never the whole stack.

Tiles of a row fade into each other along x, rows of tiles along y. Fading is ``a + w * (b - a)``, so where
both sides agree the result is that value exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from flawscope.errors import BundleError
from flawscope.inspection.grid import Axis, Grid, plan_grid
from flawscope.inspection.preprocess import preprocess
from flawscope.inspection.runtimes import Runtime
from flawscope.manifest import InputSpec
from flawscope.types import FloatArray, RgbImage

Band = tuple[int, int, FloatArray]
"""Rows [y0, y1) and their probabilities C x (y1 - y0) x W."""

_FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))


class RowSource(Protocol):
    """An image that is read in rows. ``flawscope.images.sources.ImageSource`` is one."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width, upright."""

    def read(self, y0: int, y1: int) -> RgbImage:
        """Rows [y0, y1) as (y1 - y0) x W x 3 uint8 RGB."""


class ArraySource:
    """An image that is already in memory."""

    def __init__(self, pixels: RgbImage) -> None:
        self._pixels = pixels

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width."""
        return self._pixels.shape[0], self._pixels.shape[1]

    def read(self, y0: int, y1: int) -> RgbImage:
        """Rows [y0, y1), not copied."""
        return self._pixels[y0:y1]


def activate(logits: FloatArray, spec: InputSpec, classes: int) -> FloatArray:
    """Logits N x K x H x W to probabilities N x C x H x W; softmax drops the background plane 0.

    Raises BundleError when the network has another number of planes than the manifest's classes need.
    """
    planes = classes + (spec.activation == "softmax")
    if logits.ndim != 4 or logits.shape[1] != planes:
        raise BundleError(
            f"The network answers with shape {logits.shape}; expected N x {planes} x H x W for {classes} "
            f"class(es) with {spec.activation}.\nThe bundle's manifest and network do not belong together."
        )
    if spec.activation == "sigmoid":
        # exp of a clipped value: no overflow, and 1e-35 is as good as 0.
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -80.0, 80.0))), dtype=np.float32)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted[:, 1:] / shifted.sum(axis=1, keepdims=True), dtype=np.float32)


def run_tiles(
    tiles: FloatArray, runtime: Runtime, spec: InputSpec, classes: int, *, flip_tta: bool = False
) -> FloatArray:
    """Probabilities N x C x h x w of preprocessed tiles N x c x h x w; the mean over four flips when
    asked."""
    total: FloatArray | None = None
    flips = _FLIPS if flip_tta else _FLIPS[:1]
    for axes in flips:
        turned = np.ascontiguousarray(np.flip(tiles, axes)) if axes else tiles
        logits = runtime.run(turned)
        if logits.shape[-2:] != tiles.shape[-2:]:
            raise BundleError(
                f"The network turns {tiles.shape[-2:]} pixels into {logits.shape[-2:]}; they must be equal."
            )
        if len(logits) != len(tiles):
            raise BundleError(
                f"The network gives {len(logits)} answers to {len(tiles)} tiles; expected one each.\n"
                "Its graph was exported for one size of batch only; export it again."
            )
        probability = activate(logits, spec, classes)
        probability = np.flip(probability, axes) if axes else probability
        total = probability if total is None else total + probability
    assert total is not None  # there is always one flip
    return total if len(flips) == 1 else np.asarray(total / np.float32(len(flips)), dtype=np.float32)


def predict_native_bands(
    source: RowSource, runtime: Runtime, spec: InputSpec, classes: int, *, flip_tta: bool, batch: int
) -> Iterator[Band]:
    """Probabilities of an image at its own size, from top to bottom, each row once.

    Needs about ``2 * C * tile * W * 4`` bytes beside the batch of tiles.
    """
    grid = plan_grid(source.size_hw, spec)
    height, width = source.size_hw
    tail: FloatArray | None = None  # rows of the tile row above that the next one still fades into
    for index, start in enumerate(grid.rows.starts_px):
        band = _tile_row(source, grid, start, runtime, spec, classes, flip_tta, batch)
        top = 0
        if tail is not None:
            begin, end = grid.rows.ramps_px[index - 1]
            top = begin - start
            _fade(tail, band[:, top : end - start, :width], axis=1)
        if index == grid.rows.count - 1:
            bottom = height - start
        else:
            begin, end = grid.rows.ramps_px[index]
            bottom = begin - start
            tail = band[:, bottom : end - start, :width].copy()
        if bottom > top:
            yield start + top, start + bottom, band[:, top:bottom, :width]


def _tile_row(
    source: RowSource,
    grid: Grid,
    start: int,
    runtime: Runtime,
    spec: InputSpec,
    classes: int,
    flip_tta: bool,
    batch: int,
) -> FloatArray:
    """One row of tiles, faded into each other along x: C x tile x W (padded)."""
    height = source.size_hw[0]
    rows, columns = grid.rows, grid.columns
    pixels = source.read(start, min(start + rows.tile_px, height))
    pixels = _pad(pixels, rows.tile_px, columns.padded_px)
    band: FloatArray = np.empty((classes, rows.tile_px, columns.padded_px), dtype=np.float32)
    for first in range(0, columns.count, batch):
        numbers = range(first, min(first + batch, columns.count))
        tiles = np.stack(
            [preprocess(pixels[:, (x := columns.starts_px[i]) : x + columns.tile_px], spec) for i in numbers]
        )
        answers = run_tiles(tiles, runtime, spec, classes, flip_tta=flip_tta)
        for number, answer in zip(numbers, answers, strict=True):
            _place(band, answer, columns, number)
    return band


def _place(band: FloatArray, answer: FloatArray, columns: Axis, number: int) -> None:
    """Write tile ``number`` into the band; tiles come from left to right."""
    start = columns.starts_px[number]
    begin = start
    if number:
        begin, end = columns.ramps_px[number - 1]
        _fade(band[:, :, begin:end], answer[:, :, begin - start : end - start], axis=2)
    band[:, :, begin : start + columns.tile_px] = answer[:, :, begin - start :]


def _fade(old: FloatArray, new: FloatArray, axis: int) -> None:
    """Turn ``new`` into a ramp from ``old`` to ``new`` along the axis, in place; both of one shape."""
    count = new.shape[axis]
    if count:
        weight = (np.arange(count, dtype=np.float32) + np.float32(0.5)) / np.float32(count)
        weight = weight[:, None] if axis == 1 else weight
        new[...] = old + weight * (new - old)


def _pad(pixels: RgbImage, height: int, width: int) -> RgbImage:
    """Mirror at the lower and right edge (without repeating the edge) up to the wanted size."""
    below, right = height - pixels.shape[0], width - pixels.shape[1]
    if not below and not right:
        return pixels
    return np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="reflect")
