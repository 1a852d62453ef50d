"""Figures of probabilities rather than of masks, as training logs tell them, and of classes an image shows.

``bce_pooled``: binary cross-entropy, mean over all pixels and classes. ``dice_soft_batch16``: 2 sum(p t) over
sum(p) + sum(t), 1 added above and below, of 16 images in turn with all their pixels and classes, mean over
these batches: the metric that Keras tells for a batch of 16. ``exact_match``: share of images of which every
class is rightly told to be there or not, after thresholds, minimum areas and ``presence_px``;
``presence_accuracy``: share of right (image, class) pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flawscope.evaluation.counts import ClassCounts
from flawscope.types import IGNORE_INDEX

BATCH = 16
_LEAST = 1e-7
"""Probabilities are kept so far from 0 and 1, as Keras does."""


@dataclass(frozen=True, slots=True)
class SoftCounts:
    """Sums over the counted pixels of all classes of one image."""

    cross_entropy: float
    elements: int
    both: float
    """Sum of probability x truth."""
    predicted: float
    """Sum of probabilities."""
    true: int


def count_soft(
    probability: npt.NDArray[np.floating], truth: Sequence[npt.NDArray[np.uint8]], planes: Sequence[int]
) -> SoftCounts:
    """Sum up an image: ``probability`` C x H x W, ``truth`` a plane H x W a counted class (255 = ignore)."""
    entropy = both = predicted = 0.0
    elements = true = 0
    for plane, wanted in zip(planes, truth, strict=True):
        counted = wanted != IGNORE_INDEX
        p = np.clip(probability[plane][counted].astype(np.float32), _LEAST, 1 - _LEAST)
        hit = wanted[counted] == 1
        inside = p[hit]
        entropy -= float(np.log(inside).sum(dtype=np.float64))
        entropy -= float(np.log1p(-p[~hit]).sum(dtype=np.float64))
        elements, true = elements + p.size, true + int(hit.sum())
        both += float(inside.sum(dtype=np.float64))
        predicted += float(p.sum(dtype=np.float64))
    return SoftCounts(entropy, elements, both, predicted, true)


def soft_figures(rows: Sequence[SoftCounts]) -> dict[str, float]:
    """``bce_pooled`` and ``dice_soft_batch16``, of rows in the order of the images."""
    elements = sum(row.elements for row in rows)
    if not elements:
        return {"bce_pooled": float("nan"), "dice_soft_batch16": float("nan")}
    dices = []
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        marked = sum(row.predicted + row.true for row in some)
        dices.append((2 * sum(row.both for row in some) + 1) / (marked + 1))
    return {
        "bce_pooled": sum(row.cross_entropy for row in rows) / elements,
        "dice_soft_batch16": sum(dices) / len(dices),
    }


def presence_figures(rows: Sequence[Sequence[ClassCounts]]) -> dict[str, float]:
    """``exact_match`` and ``presence_accuracy``; a row an image, in it a count a class."""
    right = [[(one.true_pixels > 0) == (one.predicted_pixels > 0) for one in row] for row in rows]
    pairs = [one for row in right for one in row]
    return {
        "exact_match": sum(map(all, right)) / len(right) if right else float("nan"),
        "presence_accuracy": sum(pairs) / len(pairs) if pairs else float("nan"),
    }
