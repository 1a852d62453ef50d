"""Labelled images with a model's answers, one after another, for everything that chooses thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flawscope.data.dataset import Dataset
from flawscope.errors import ImageError
from flawscope.evaluation.classes import ClassMatch
from flawscope.evaluation.evaluate import Compared, Predictor, Progress, compare
from flawscope.evaluation.metrics import Failed

Planes = list[npt.NDArray[np.floating]]
Truth = tuple[npt.NDArray[np.uint8], ...]


@dataclass(eq=False)
class Stream:
    """The images of a part and what a model says of them. Goes by once."""

    predictor: Predictor
    match: ClassMatch
    dataset: Dataset
    progress: Progress | None = None
    failed: list[Failed] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)

    def feed(self, take: Callable[[Compared, Planes, Truth], None]) -> None:
        """Hand every image to ``take``: itself, its probabilities and its truth, a plane a counted class.

        An image that cannot be read, or that ``take`` refuses with an ImageError, is noted and passed over.
        """
        for one in self._compared():
            try:
                take(one, [one.prediction.probability[plane] for plane in self.match.planes], one.truth)
            except ImageError as error:
                self.failed.append(Failed(one.sample.name, str(error)))

    def _compared(self) -> Iterator[Compared]:
        return compare(
            self.predictor,
            self.match,
            self.dataset,
            failed=self.failed,
            unlabelled=self.unlabelled,
            progress=self.progress,
        )
