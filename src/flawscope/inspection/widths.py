"""Which error of widths a bundle's manifest tells for an inspection: its threshold, its working scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from flawscope.bundle import Bundle
from flawscope.inspection.preprocess import network_size_hw
from flawscope.manifest import InputSpec, WidthErrors
from flawscope.measurement.width_error import WidthError


def working_factor(size_hw: tuple[int, int], spec: InputSpec, scales: Sequence[float]) -> float:
    """Network pixels to one of the photograph, along a side; of several working scales their harmonic mean,
    since rims add up in pixels of the photograph."""
    if spec.mode == "resize":
        height, width = network_size_hw(size_hw, spec)
        return float(np.sqrt(height * width / (size_hw[0] * size_hw[1])))
    return len(scales) / sum(1.0 / scale for scale in scales)


def width_error_at(errors: WidthErrors, threshold: float, factor: float) -> WidthError:
    """The error at a threshold, between the measured ones on a straight line, in pixels of the photograph."""
    bias = np.interp(threshold, errors.thresholds, errors.bias_px)
    spread = np.interp(threshold, errors.thresholds, errors.u_px)
    return WidthError(float(bias) / factor, float(spread) / factor)


def width_errors_of(
    bundles: Sequence[Bundle], thresholds: Mapping[str, float], factors: Sequence[float] | None = None
) -> dict[str, WidthError]:
    """Class name -> the error of its widths, the mean of an ensemble; nothing for a class that one of the
    bundles says nothing of.

    ``factors``: network pixels to one of the photograph, for each bundle; None: 1 for all.
    """
    found = {}
    for name, threshold in thresholds.items():
        told = [bundle.manifest.width_errors.get(name) for bundle in bundles]
        each = [
            width_error_at(one, threshold, factor)
            for one, factor in zip(told, factors or [1.0] * len(told), strict=True)
            if one is not None
        ]
        if len(each) == len(bundles):
            found[name] = WidthError(
                float(np.mean([one.bias_px for one in each])), float(np.mean([one.u_px for one in each]))
            )
    return found
