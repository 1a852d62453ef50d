"""How much wider than the truth a network marks what it finds, and widths without that.

A network that was trained to find rather than to measure marks a rim around each crack, of nearly the same
width whether the crack is a hairline or wide open. So one number, found on images of known width, takes it
off again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEAST_PX = 0.5
"""No width is corrected below this: what is narrower cannot be told from it."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WidthError:
    """Marked less true width, in pixels of the photograph."""

    bias_px: float
    """Its median: what is taken off every width. Below 0 where marks are narrower than the truth."""
    u_px: float
    """Its spread around that, as a standard uncertainty."""

    def corrected(self, widths_px: Floats) -> Floats:
        """Widths without the bias; NaN stays NaN."""
        return np.asarray(np.maximum(widths_px - self.bias_px, np.minimum(widths_px, LEAST_PX)))
