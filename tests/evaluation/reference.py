"""Figures straight from their definitions: slow, plain, and sharing no code with the library."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt


def distance_to(mask):
    """Exact Euclidean distance of every pixel to the nearest pixel of ``mask``."""
    if not mask.any():
        return np.full(mask.shape, np.inf)
    return distance_transform_edt(~mask)


def f1_tol(pairs, radius):
    """F1 within ``radius`` px, hits summed over all (predicted, true) pairs."""
    hit_p = sum(int((p & (distance_to(t) <= radius)).sum()) for p, t in pairs)
    hit_t = sum(int((t & (distance_to(p) <= radius)).sum()) for p, t in pairs)
    n_p, n_t = sum(int(p.sum()) for p, _ in pairs), sum(int(t.sum()) for _, t in pairs)
    precision, recall = (hit_p / n_p if n_p else 0), (hit_t / n_t if n_t else 0)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def f1_strict(pairs):
    """Pixel F1 of summed counts."""
    tp = sum(int((p & t).sum()) for p, t in pairs)
    wrong = sum(int((p ^ t).sum()) for p, t in pairs)
    return 2 * tp / (2 * tp + wrong) if tp + wrong else float("nan")
