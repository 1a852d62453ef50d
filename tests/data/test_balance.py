"""Balanced training parts: the thesis's numbers, copies that show what they say, nothing that can leak."""

from __future__ import annotations

import pickle
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flawscope.data.balance import TRANSFORMS, balanced, plan_copies, sampling_weights, views
from flawscope.data.dataset import Dataset
from flawscope.data.split import split
from flawscope.errors import DataError, UsageError
from flawscope.types import ClassInfo, Sample

from .small import photo, truth
from .test_protocols import competition

shown_lists = st.lists(
    st.sampled_from([(), (1,), (2,), (3,), (3,), (3,), (1, 3), (2, 3), (1, 2)]), min_size=1, max_size=60
)


def records(classes: list[tuple[int, ...]], times: list[int]) -> Counter[int]:
    return Counter(k for shown, count in zip(classes, times, strict=True) for k in shown * count)


def test_the_competition_is_brought_to_the_thesis_number() -> None:
    classes = [image.classes for image in competition()]
    times = plan_copies(classes)
    assert records(classes, times) == dict.fromkeys((1, 2, 3, 4), 1291)
    assert sum(times[number] for number, shown in enumerate(classes) if not shown) == 5902
    rare = [times[number] for number, shown in enumerate(classes) if shown == (2,)]
    assert min(rare) >= 1 and max(rare) - min(rare) <= 1, "each image of a rare class is copied alike"
    none = plan_copies(classes, clean=0)
    assert sum(none[number] for number, shown in enumerate(classes) if not shown) == 0
    assert sum(plan_copies(classes, clean=100)) == sum(none) + 100


@given(classes=shown_lists, target=st.integers(1, 40), seed=st.integers(0, 9))
@settings(max_examples=80, deadline=None)
def test_every_class_reaches_the_target(classes: list[tuple[int, ...]], target: int, seed: int) -> None:
    times = plan_copies(classes, target, seed=seed)
    assert times == plan_copies(classes, target, seed=seed)
    count = records(classes, times)
    present = {k for shown in classes for k in shown}
    assert all(count[k] >= target for k in present)
    for class_id in present:
        # What stands above it cannot be taken away without a rarer class going below.
        removable = [
            shown
            for shown, number in zip(classes, times, strict=True)
            if number and class_id in shown and all(count[k] > target for k in shown)
        ]
        assert not removable
    assert all(number == 1 for shown, number in zip(classes, times, strict=True) if not shown)


def test_single_classes_come_out_exact() -> None:
    classes = [(1,)] * 3 + [(2,)] * 50 + [()] * 7
    times = plan_copies(classes, 20)
    assert records(classes, times) == {1: 20, 2: 20}
    assert sorted(times[:3]) == [6, 7, 7]
    assert max(times[3:53]) == 1


def pixels(number: int) -> Any:
    return photo(number, (40, 64))


def _mask(number: int, stack: bool) -> Any:
    mask = truth(number, (40, 64), 2)
    return np.stack([mask == 1, mask == 2], axis=-1) if stack else mask


def samples(count: int, stack: bool = False) -> list[Sample]:
    return [
        Sample(f"s{n}", partial(pixels, n), partial(_mask, n, stack), (), "A", "plate" if n == 1 else "")
        for n in range(count)
    ]


def test_copies_are_read_lazily_and_belong_to_their_original() -> None:
    made = balanced(samples(4), {"s0": (1,), "s1": (1,), "s2": (2,)}, target=6, clean=0)
    names = [sample.name for sample in made]
    assert len(set(names)) == len(names) == 12
    assert not any(name.startswith("s3") for name in names)
    assert names[0] == "s0" and names[1].startswith("s0#")
    for sample in made:
        original = sample.name.partition("#")[0]
        assert sample.group == ("plate" if original == "s1" else original)
        assert sample.source == "A"
    read: list[str] = []

    def note() -> Any:
        read.append("read")
        return pixels(0)

    lazy = balanced([Sample("a", note, None)], {"a": (0,)}, target=3)
    assert not read
    lazy[2].image()
    assert read == ["read"]
    assert lazy[1].read_mask is None
    again = pickle.loads(pickle.dumps(made[1]))
    assert np.array_equal(again.image(), made[1].image())


def test_no_split_can_tear_a_copy_from_its_original() -> None:
    made = balanced(samples(12), {f"s{n}": (1 + n % 2,) for n in range(12)}, target=20)
    dataset = Dataset(Path("set"), "test", (ClassInfo(1, "a"), ClassInfo(2, "b")), "segmentation", made)
    cut = split(dataset, test=0.3, val=0.2, ties={}, stratify=None)
    side = {name: part for part, names in cut.parts.items() for name in names}
    for name, part in side.items():
        assert side[name.partition("#")[0]] == part


@pytest.mark.parametrize("stack", [False, True])
@pytest.mark.parametrize("name", ["rotate180", "flip-horizontal", "flip-vertical"])
def test_flips_move_image_and_mask_alike(name: str, stack: bool) -> None:
    view, image, mask = TRANSFORMS[name], pixels(1), _mask(1, stack)
    turned = view.image(image)
    assert np.array_equal(view.image(turned), image)
    expected = {
        "rotate180": image[::-1, ::-1],
        "flip-horizontal": image[:, ::-1],
        "flip-vertical": image[::-1],
    }
    assert np.array_equal(turned, expected[name])
    assert np.array_equal(view.mask(mask)[..., None] if not stack else view.mask(mask), view.image(
        mask[..., None] if not stack else mask))  # fmt: skip


@pytest.mark.parametrize("stack", [False, True])
@pytest.mark.parametrize("size_hw", [(64, 400), (50, 50), (3, 90), (1, 1)])
def test_ten_degrees_keep_size_type_and_truth(size_hw: tuple[int, int], stack: bool) -> None:
    """A picture that shows its own mask still does after turning, to within half a pixel at edges."""
    rows, columns = np.mgrid[: size_hw[0], : size_hw[1]]
    marked = (rows // 9 + columns // 14) % 3 == 1
    image = np.repeat((marked * 200).astype(np.uint8)[..., None], 3, axis=2)
    mask: Any = np.stack([marked, ~marked], axis=-1) if stack else marked.astype(np.uint8) * 3
    view = TRANSFORMS["rotate10"]
    turned, moved = view.image(image), view.mask(mask)
    assert turned.shape == image.shape and turned.dtype == np.uint8
    assert moved.shape == mask.shape and moved.dtype == mask.dtype
    assert set(np.unique(moved)) <= set(np.unique(mask))
    plane = moved[..., 0] if stack else moved == 3
    assert np.array_equal(plane, turned[..., 0] >= 100) or np.mean(plane != (turned[..., 0] >= 100)) < 0.08
    if min(size_hw) > 9:
        assert not np.array_equal(turned, image)
    ignored = np.full(size_hw, 255, np.uint8)
    assert (view.mask(ignored) == 255).all()


def test_ten_degrees_counter_clockwise() -> None:
    image = np.zeros((101, 101, 3), np.uint8)
    image[50, 60:95] = 255
    turned = TRANSFORMS["rotate10"].image(image)
    right = np.flatnonzero(turned[:, 90, 0])
    assert right.mean() == pytest.approx(50 - 40 * np.tan(np.radians(10)), abs=1)


def test_views_are_different_and_alone_first() -> None:
    every = views(tuple(TRANSFORMS))
    assert [view.name for view in every[:4]] == list(TRANSFORMS)
    assert len(every) == 7
    image = pixels(0)
    assert len({view.image(image).tobytes() for view in every} | {image.tobytes()}) == 8
    assert [view.name for view in views(["flip-vertical"])] == ["flip-vertical"]
    assert len(views(["flip-vertical", "flip-horizontal"])) == 3
    for names in (["turn"], []):
        with pytest.raises(UsageError, match="Expected some of"):
            views(names)


def test_views_are_used_up_before_one_repeats() -> None:
    made = balanced([Sample("a", partial(pixels, 0))], {"a": (0,)}, target=16)
    names = [sample.name.partition("#")[2] for sample in made[1:]]
    assert len(set(names[:7])) == 7
    assert [f"{name}.2" for name in names[:7]] == names[7:14]
    assert names[14].endswith(".3")


def test_weights_show_every_class_alike() -> None:
    items = [Sample(f"{n}", partial(pixels, 0)) for n in range(10)]
    classes: dict[str, tuple[int, ...]] = {"0": (1,), "1": (2,), "2": (2,), "3": (2,), "4": (1, 2)}
    weights = sampling_weights(items, classes, target=8, clean=2)
    assert weights[:5] == (4.0, 2.0, 2.0, 2.0, 3.0)
    assert weights[5:] == (0.4,) * 5
    assert sampling_weights(items, classes, target=8)[5:] == (1.0,) * 5


@pytest.mark.parametrize("make", [balanced, sampling_weights])
def test_nothing_to_balance(make: Any) -> None:
    with pytest.raises(DataError, match="Not one of 3 training images"):
        make(samples(3), {})
    with pytest.raises(UsageError, match="target is 0"):
        make(samples(3), {"s0": (1,)}, 0)
