"""The images that a choice was made on, kept so that no promise comes from them as well.

They are kept by their pixels: an image is known again by another name, in another folder or part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flawscope.data.copies import fingerprint
from flawscope.errors import UsageError
from flawscope.evaluation.evaluate import Compared, Predictor
from flawscope.manifest import Chosen
from flawscope.types import RgbImage

MOST = 1000
"""So many digests are kept; of more images the smallest, which are a random sample of them."""

_DIGITS = 8


def digest_of(image: RgbImage) -> str:
    """Eight hexadecimal digits of the pixels H x W x 3 uint8. Two different images share them once in 4e9."""
    return fingerprint(image).digest.hex()[:_DIGITS]


def kept(digests: Iterable[str]) -> str:
    """Digests as the manifest has them."""
    return "".join(sorted(set(digests))[:MOST])


class Unused:
    """Refuses images that something which decides what is missed was chosen on: areas, presence, a gate."""

    def __init__(self, predictor: Predictor, data: str) -> None:
        """``data``: the data set and part to come. Raises UsageError where their names say that it was used.

        Names are asked of older bundles only, which keep no digests.
        """
        self._used: dict[str, tuple[str, str]] = {}
        for what, chosen in _settled(predictor):
            if not chosen.digests and _overlap(chosen.data, data):
                raise _refusal(what, chosen.data)
            digests = chosen.digests
            for start in range(0, len(digests), _DIGITS):
                self._used[digests[start : start + _DIGITS]] = (what, chosen.data)

    def check(self, one: Compared) -> None:
        """Raises UsageError for an image that was used; one that shows no class has nothing to be missed."""
        if not self._used or not any((plane == 1).any() for plane in one.truth):
            return
        use = self._used.get(digest_of(one.image))
        if use is not None:
            raise _refusal(*use, f", and image {one.sample.name} is one of those")


def _settled(predictor: Predictor) -> Iterator[tuple[str, Chosen]]:
    """What it is called, and how it was chosen."""
    for bundle in getattr(predictor, "bundles", ()):
        for key in ("min_area_px", "presence_px"):
            for name, chosen in getattr(bundle.manifest, key).items():
                yield f"{key} of {name}", chosen
        for stage in bundle.manifest.stages:
            if stage.threshold is not None:
                yield "the threshold of its gate", stage.threshold


def _overlap(one: str, other: str) -> bool:
    """Whether two of "SET, part PART" share images: they are the same, or one is all of the other's set."""
    (one_set, _, one_part), (other_set, _, other_part) = (
        one.rpartition(", part "),
        other.rpartition(", part "),
    )
    return one == other or (one_set == other_set and "all" in (one_part, other_part))


def _refusal(what: str, data: str, more: str = "") -> UsageError:
    return UsageError(
        f"The bundle says that {what} was chosen on {data}{more}; it must be fixed before, on other images.\n"
        "Take other images for one of the two."
    )
