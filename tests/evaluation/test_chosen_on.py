"""Digests of the images behind a choice."""

from __future__ import annotations

import numpy as np

from flawscope.evaluation.chosen_on import MOST, digest_of, kept
from flawscope.manifest import Chosen


def test_a_digest_is_of_size_and_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 48, 3)).astype(np.uint8)
    other = image.copy()
    other[3, 4, 1] ^= 1
    digests = {digest_of(one) for one in (image, image.copy(), other, image.reshape(48, 40, 3))}
    assert len(digests) == 3 and all(len(one) == 8 for one in digests)


def test_of_many_images_some_are_kept_as_the_manifest_takes_them() -> None:
    digests = [f"{number * 2654435761 % 2**32:08x}" for number in range(3 * MOST)]
    text = kept(digests[::-1] + digests)
    assert text == "".join(sorted(digests)[:MOST]) and Chosen(value=1, digests=text).digests == text
    assert kept([]) == "" and kept(["0000000a"] * 2) == "0000000a"
