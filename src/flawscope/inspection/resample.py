"""Pictures down to a working scale and probabilities back to the photograph's grid, whole or in rows."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.inspection.bands import RowSource
from flawscope.types import FloatArray, RgbImage

_ROWS = 256


def shrink_source(source: RowSource, size_hw: tuple[int, int]) -> RgbImage:
    """The whole picture at ``size_hw``, read in bands; the same pixels as resizing it in one go."""
    height, width = source.size_hw
    out = np.empty((*size_hw, 3), dtype=np.uint8)
    scale = height / size_hw[0]
    reach = math.ceil(max(1.0, scale)) + 2  # the filter reaches one output pixel to either side
    for a in range(0, size_hw[0], _ROWS):
        b = min(a + _ROWS, size_hw[0])
        low = max(0, math.floor(a * scale) - reach)
        high = min(height, math.ceil(b * scale) + reach)
        picture = Image.fromarray(np.ascontiguousarray(source.read(low, high)))
        box = (0.0, max(0.0, a * scale - low), float(width), min(b * scale - low, float(high - low)))
        out[a:b] = np.asarray(picture.resize((size_hw[1], b - a), Image.Resampling.BILINEAR, box=box))
    return out


def restore_rows(probability: FloatArray, size_hw: tuple[int, int], y0: int, y1: int) -> FloatArray:
    """Rows [y0, y1) of C x h x w probabilities brought to ``size_hw``, bilinear with pixel centres at
    halves."""
    if probability.shape[1:] == size_hw:
        return probability[:, y0:y1]
    if probability.shape[1] >= 2 * size_hw[0] + 2 or probability.shape[2] >= 2 * size_hw[1] + 2:
        return _restore_averaged(probability, size_hw)[:, y0:y1]
    low, high, weight = _taps(size_hw[0], probability.shape[1])
    low, high, weight = low[y0:y1], high[y0:y1], weight[y0:y1, None]
    rows = probability[:, low] * (1 - weight) + probability[:, high] * weight
    low, high, weight = _taps(size_hw[1], probability.shape[2])
    return np.asarray(rows[:, :, low] * (1 - weight) + rows[:, :, high] * weight, dtype=np.float32)


def restore(probability: FloatArray, size_hw: tuple[int, int]) -> FloatArray:
    """C x h x w probabilities on the grid ``size_hw``: C x H x W float32."""
    return restore_rows(probability, size_hw, 0, size_hw[0])


def _taps(
    count_out: int, count_in: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    centre = (np.arange(count_out) + 0.5) * (count_in / count_out) - 0.5
    centre = np.clip(centre, 0, count_in - 1)
    low = np.floor(centre).astype(np.intp)
    return low, np.minimum(low + 1, count_in - 1), (centre - low).astype(np.float32)


def _restore_averaged(probability: FloatArray, size_hw: tuple[int, int]) -> FloatArray:
    """Shrinking by more than two needs an average, or thin lines would fall between the samples."""
    planes = [
        np.asarray(Image.fromarray(plane).resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR))
        for plane in probability
    ]
    return np.clip(np.stack(planes).astype(np.float32), 0.0, 1.0)
