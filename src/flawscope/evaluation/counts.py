"""One image against its truth: the counts from which every segmentation figure follows.

A figure over a data set needs no pixels, only sums of these counts (and, for means over images, sums of
ratios of them). So an evaluation keeps one row a class and image, and nothing else.

Distances are Euclidean between pixel centres. Pixels whose truth is 255 are taken out of both sides first.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import skeletonize

from flawscope.errors import ImageError
from flawscope.types import IGNORE_INDEX

BoolMask = npt.NDArray[np.bool_]
Curve = npt.NDArray[np.uint32]

THRESHOLDS: npt.NDArray[np.float32] = (np.arange(1, 100) / 100).astype(np.float32)
"""The 99 thresholds .01 ... .99 of the curves; a pixel is predicted where its probability >= threshold."""

CLIOU_TOLERANCE_PX = 4
"""OmniCrack30k (Benz and Rodehorst, CVPRW 2024) compares centrelines with this tolerance."""

_EIGHT = np.ones((3, 3), dtype=bool)
_LEVEL_BOUNDS = np.concatenate([[-np.inf], THRESHOLDS, [np.inf]]).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Pixel counts at each of the 99 ``THRESHOLDS`` (uint32, length 99 each)."""

    predicted: Curve
    true_positive: Curve
    predicted_hit_tol2: Curve
    """Predicted pixels with a true pixel within 2 px."""
    true_hit_tol2: Curve
    """True pixels with a predicted pixel within 2 px."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassCounts:
    """One class in one image: everything a figure needs, in whole pixels."""

    tp: int
    fp: int
    fn: int
    tn: int
    predicted_hit_tol2: int = 0
    true_hit_tol2: int = 0
    predicted_hit_tol5: int = 0
    true_hit_tol5: int = 0
    predicted_skeleton: int = 0
    predicted_skeleton_hit: int = 0
    """Pixels of the predicted skeleton inside the true mask (clDice, Shit et al., CVPR 2021)."""
    true_skeleton: int = 0
    true_skeleton_hit: int = 0
    """Pixels of the true skeleton inside the predicted mask."""
    cliou_tp: int = 0
    cliou_fp: int = 0
    cliou_fn: int = 0
    image_score: float = 0.0
    """Highest mean probability of a finding (8-connected component), 0 when nothing is predicted."""
    curves: Curves | None = None

    @property
    def true_pixels(self) -> int:
        """Pixels of the class in the truth."""
        return self.tp + self.fn

    @property
    def predicted_pixels(self) -> int:
        """Pixels of the class in the prediction."""
        return self.tp + self.fp


def disk_maximum(values: npt.NDArray[np.uint8], radius_px: int) -> npt.NDArray[np.uint8]:
    """Return the maximum over the closed Euclidean disk around each pixel; outside the image counts as 0.

    ``values`` is H x W uint8. A disk is a stack of horizontal runs, so a handful of one-dimensional filters
    do the work of a two-dimensional one; the result is exact.
    """
    out = np.zeros_like(values)
    runs: dict[int, npt.NDArray[np.uint8]] = {}
    for dy in range(min(radius_px, values.shape[0] - 1) + 1):
        half = isqrt(radius_px * radius_px - dy * dy)
        if half not in runs:
            runs[half] = ndimage.maximum_filter1d(values, 2 * half + 1, axis=1, mode="constant", cval=0)
        run = runs[half]
        if dy == 0:
            np.maximum(out, run, out=out)
        else:
            np.maximum(out[dy:], run[:-dy], out=out[dy:])
            np.maximum(out[:-dy], run[dy:], out=out[:-dy])
    return out


def within(mask: BoolMask, radius_px: int) -> BoolMask:
    """Return where a pixel of ``mask`` (H x W bool) lies at Euclidean distance <= ``radius_px``."""
    return disk_maximum(mask.view(np.uint8), radius_px).view(np.bool_)


def threshold_levels(probability: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Return how many of the 99 thresholds each probability reaches: uint8 0..99, same shape.

    ``level >= k`` is the same as ``probability >= THRESHOLDS[k - 1]``, exactly, in float32.
    """
    p = np.asarray(probability, dtype=np.float32)
    level: npt.NDArray[np.uint8] = np.clip(p * np.float32(100), 0, 99).astype(np.uint8)
    # The product may round across a threshold either way: look at the neighbours.
    level -= p < _LEVEL_BOUNDS[level]
    level += p >= _LEVEL_BOUNDS[level.astype(np.intp) + 1]
    return level


def count_image(
    probability: npt.NDArray[np.floating],
    truth: npt.NDArray[np.uint8] | BoolMask,
    threshold: float = 0.5,
    *,
    predicted: BoolMask | None = None,
) -> ClassCounts:
    """Count one class in one image.

    ``probability`` is H x W in 0..1. ``truth`` is H x W: bool, or uint8 where 0 is not the class, 255 is
    ignored and any other value is the class. ``predicted`` (H x W bool) is the mask after thresholds and
    minimum areas; without it, it is ``probability >= threshold``. Curves always come from ``probability``.

    Raises ImageError when the shapes differ.
    """
    if probability.shape != truth.shape:
        raise ImageError(
            f"The mask is {_size(truth.shape)} and the prediction {_size(probability.shape)} pixels.\n"
            "They must have one size: check that the mask belongs to this image."
        )
    if predicted is None:
        predicted = np.asarray(probability >= np.float32(threshold))
    level = threshold_levels(probability)
    if truth.dtype == np.bool_:
        true: BoolMask = np.ascontiguousarray(truth, dtype=np.bool_)
        valid_pixels = true.size
    else:
        valid = truth != IGNORE_INDEX
        true = (truth != 0) & valid
        predicted = predicted & valid
        level = np.where(valid, level, 0).astype(np.uint8)
        valid_pixels = int(np.count_nonzero(valid))
    return _count(np.ascontiguousarray(predicted), true, level, probability, valid_pixels)


def count_strict(predicted: BoolMask, truth: BoolMask, valid: BoolMask | None = None) -> ClassCounts:
    """Count only tp, fp, fn and tn (H x W bool each); what the background needs."""
    if valid is not None:
        predicted, truth = predicted & valid, truth & valid
    total = predicted.size if valid is None else int(np.count_nonzero(valid))
    tp = int(np.count_nonzero(predicted & truth))
    fp = int(np.count_nonzero(predicted)) - tp
    fn = int(np.count_nonzero(truth)) - tp
    return ClassCounts(tp=tp, fp=fp, fn=fn, tn=total - tp - fp - fn)


def _count(
    predicted: BoolMask,
    true: BoolMask,
    level: npt.NDArray[np.uint8],
    probability: npt.NDArray[np.floating],
    valid_pixels: int,
) -> ClassCounts:
    strict = count_strict(predicted, true)
    near_true = {radius: within(true, radius) for radius in (2, 5)}
    near_predicted = {radius: within(predicted, radius) for radius in (2, 5)}
    thin_predicted, thin_true = thin(predicted), thin(true)
    cliou_tp = _n(thin_true & within(thin_predicted, CLIOU_TOLERANCE_PX))
    return ClassCounts(
        tp=strict.tp,
        fp=strict.fp,
        fn=strict.fn,
        tn=valid_pixels - strict.tp - strict.fp - strict.fn,
        predicted_hit_tol2=_n(predicted & near_true[2]),
        true_hit_tol2=_n(true & near_predicted[2]),
        predicted_hit_tol5=_n(predicted & near_true[5]),
        true_hit_tol5=_n(true & near_predicted[5]),
        predicted_skeleton=_n(thin_predicted),
        predicted_skeleton_hit=_n(thin_predicted & true),
        true_skeleton=_n(thin_true),
        true_skeleton_hit=_n(thin_true & predicted),
        cliou_tp=cliou_tp,
        cliou_fp=_n(thin_predicted & ~within(thin_true, CLIOU_TOLERANCE_PX)),
        cliou_fn=_n(thin_true) - cliou_tp,
        image_score=best_finding_score(predicted, probability),
        curves=count_curves(level, true, near_true[2]),
    )


def count_curves(level: npt.NDArray[np.uint8], true: BoolMask, near_true: BoolMask) -> Curves:
    """Count at all 99 thresholds in one pass, from histograms of ``threshold_levels``.

    A true pixel is hit at a threshold when the highest probability in the disk of radius 2 around it
    reaches that threshold, so the histogram of the disk maximum over the true pixels holds all hits.
    ``level`` must be 0 on ignored pixels; ``near_true`` is ``within(true, 2)``.
    """
    return Curves(
        predicted=_at_least(level.ravel()),
        true_positive=_at_least(level[true]),
        predicted_hit_tol2=_at_least(level[near_true]),
        true_hit_tol2=_at_least(disk_maximum(level, 2)[true]),
    )


def best_finding_score(predicted: BoolMask, probability: npt.NDArray[np.floating]) -> float:
    """Return the highest mean probability of an 8-connected component of ``predicted``; 0 if none."""
    labels, count = ndimage.label(predicted, structure=_EIGHT)
    if not count:
        return 0.0
    where = labels[predicted]
    sums = np.bincount(where, weights=probability[predicted], minlength=count + 1)[1:]
    areas = np.bincount(where, minlength=count + 1)[1:]
    return float(np.max(sums / areas))


def thin(mask: BoolMask) -> BoolMask:
    """Return the one-pixel-wide skeleton of ``mask`` (H x W bool; Zhang and Suen's thinning)."""
    if not mask.any():
        return np.zeros_like(mask)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    out = np.zeros_like(mask)
    # The border of the crop is background for the thinning either way, so cropping changes nothing.
    out[box] = skeletonize(np.pad(mask[box], 1))[1:-1, 1:-1]
    return out


def _at_least(levels: npt.NDArray[np.uint8]) -> Curve:
    histogram = np.bincount(levels, minlength=100)
    return np.cumsum(histogram[::-1])[::-1][1:].astype(np.uint32)


def _n(mask: BoolMask) -> int:
    return int(np.count_nonzero(mask))


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in reversed(shape))
