"""Procedural pictures with exact truth: `synthesize` and the kinds in `KINDS`; many at once in `stream`."""

from __future__ import annotations

from functools import lru_cache, partial

from flawscope.data.synthetic.canvas import CrackTruth, SynthImage
from flawscope.data.synthetic.kinds import KINDS, Kind, kind_named
from flawscope.types import Mask, RgbImage, Sample

__all__ = ["KINDS", "CrackTruth", "Kind", "SynthImage", "kind_named", "synthesize"]


def synthesize(kind: str, seed: int, size_hw: tuple[int, int]) -> Sample:
    """A procedural sample: image H x W x 3 uint8 RGB and mask H x W uint8 (0 background, class ids above).

    The same arguments give the same bytes, always. Nothing is drawn before the image or the mask is asked
    for. Raises UsageError for an unknown kind, a negative seed or a size that cannot be drawn.

    >>> sample = synthesize("concrete", seed=7, size_hw=(64, 96))
    >>> sample.image().shape, sample.mask.shape
    ((64, 96, 3), (64, 96))
    """
    chosen = kind_named(kind)
    chosen.check(seed, size_hw)
    return Sample(
        name=f"{kind}_{seed}",
        image=partial(_image, kind, seed, size_hw),
        read_mask=partial(_mask, kind, seed, size_hw),
        source=f"synthetic-{kind}",
    )


def _image(kind: str, seed: int, size_hw: tuple[int, int]) -> RgbImage:
    return _drawn(kind, seed, size_hw).image.copy()


def _mask(kind: str, seed: int, size_hw: tuple[int, int]) -> Mask:
    return _drawn(kind, seed, size_hw).mask.copy()


@lru_cache(maxsize=2)
def _drawn(kind: str, seed: int, size_hw: tuple[int, int]) -> SynthImage:
    """Image and mask are asked for one after the other; the pair is drawn once."""
    return KINDS[kind].render(seed, size_hw)
