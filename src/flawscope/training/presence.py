"""How many pixels of a class make an image positive: as given, in proportion, or tuned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from flawscope.manifest import Chosen
from flawscope.training.config import ValidationConfig
from flawscope.types import ClassInfo

Counts = npt.NDArray[np.int64]


def fixed_presence(options: ValidationConfig, classes: Sequence[ClassInfo]) -> dict[str, Chosen]:
    """The configured number for every class, with the size of photograph that it is meant for.

    Raises ValueError for the word ``tuned``, which `tuned_presence` answers.
    """
    if isinstance(options.presence_px, str):
        raise ValueError("presence_px is to be tuned")
    given, meant = options.presence_px, options.presence_of_px or None
    rule = f"{given} of {meant} px, in proportion" if meant else "as configured"
    return {info.name: Chosen(value=given, rule=rule, of_px=meant) for info in classes}


def best_presence(predicted_px: Counts, true: npt.NDArray[np.bool_]) -> int:
    """The number of pixels that tells most images right; of equally good ones the smallest, at least 1.

    :param predicted_px: marked pixels of one class an image.
    :param true: whether the image shows the class.
    """
    best, right = 1, -1
    for least in np.unique(np.concatenate([[1], predicted_px + 1])):
        hits = int(((predicted_px >= least) == true).sum())
        if hits > right:
            best, right = int(max(least, 1)), hits
    return best


def tuned_presence(
    predicted_px: Mapping[str, Sequence[int]],
    true: Mapping[str, Sequence[bool]],
    where: str,
    of_px: int | None = None,
) -> dict[str, Chosen]:
    """`best_presence` for each class name, in photographs of ``of_px`` pixels."""
    found = {}
    for name, counts in predicted_px.items():
        truth = np.asarray(true[name], bool)
        value = best_presence(np.asarray(counts, np.int64), truth)
        found[name] = Chosen(value=value, rule="most images told right", data=where, of_px=of_px)
    return found
