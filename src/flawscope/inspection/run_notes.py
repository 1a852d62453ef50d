"""What a user should know of a whole run, in words: shares without images, scales that serve none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flawscope.measurement.scale import ScaleTable

_MOST_NAMES = 3


def shard_notes(shard: tuple[int, int], images: int) -> list[str]:
    """A line where share I of N has none of the images."""
    if shard[0] <= images:
        return []
    return [f"shard {shard[0]}/{shard[1]} has no image to do: there are {images} in all"]


def scale_notes(table: ScaleTable | None, names: Sequence[str], without: int) -> list[str]:
    """Names of the scale file that no image has, and how many images are without a scale; nothing without a
    file."""
    if table is None:
        return []
    unused = table.unused(names)
    notes = [f"the scale file names what is no image of this run: {_named(unused)}"] if unused else []
    return notes + ([f"{without} of {len(names)} images have no scale"] if without else [])


def left_out_notes(left_out: Mapping[str, Sequence[str]], images: int) -> list[str]:
    """A line for each reason (the key) why images of other shards are not in the tables."""
    return [
        f"{len(names)} of {images} images are not in the tables ({reason}): {_named(names)}"
        for reason, names in left_out.items()
    ]


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
