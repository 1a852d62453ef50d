"""Labels as losses take them, and batches that follow from seed, epoch and keys alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flawscope.training.augment_config import AugmentConfig
from flawscope.training.batch_augment import BatchAugment
from flawscope.training.classify_config import ClassifyConfig
from flawscope.training.classify_data import (
    LabelledImages,
    balanced_weights,
    class_weights,
    label_rows,
    label_target,
    positive_weights,
)
from flawscope.training.crops import deal
from flawscope.training.losses import build_loss
from flawscope.training.pictures import Pictures
from flawscope.types import ClassInfo, Sample

from .labelled import CLASSES, SPEC, draw, samples, several


def items(seed: int = 0, weights: list[float] | None = None, shift_px: int = 2) -> LabelledImages:
    own = samples(7)
    augment = BatchAugment(AugmentConfig(), ClassifyConfig(shift_px=shift_px))
    heavy = None if weights is None else np.array(weights)
    pictures = Pictures(own, SPEC, 10**6)
    return LabelledImages(pictures, label_rows(own, CLASSES), SPEC, augment, seed, heavy)


def _image() -> np.ndarray:
    return draw(0, 0)


def test_labels_are_places_of_the_classes_not_their_ids() -> None:
    classes = (ClassInfo(7, "a"), ClassInfo(3, "b"))
    one = [Sample("x", _image, labels=(3,)), Sample("y", _image, labels=(7,))]
    assert label_rows(one, classes).tolist() == [1, 0]
    more = [*one, Sample("z", _image, labels=(3, 7)), Sample("none", _image)]
    assert label_rows(more, classes).tolist() == [[0, 1], [1, 0], [1, 1], [0, 0]]


def test_targets_of_both_heads() -> None:
    places = torch.tensor([2, 0])
    target, valid = label_target(places, 3, "softmax")
    assert target.shape == valid.shape == (2, 1, 1) and target.dtype == torch.int64 and bool(valid.all())
    rows, _ = label_target(places, 3, "sigmoid")
    assert rows[..., 0, 0].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert torch.equal(label_target(rows[..., 0, 0], 3, "sigmoid")[0], rows)


@pytest.mark.parametrize(("activation", "name"), [("softmax", "cross_entropy"), ("sigmoid", "bce")])
def test_the_loss_of_one_pixel_is_torchs_own(activation: str, name: str) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 2, 0])
    target, valid = label_target(labels, 3, activation)
    ours = build_loss([{"name": name}], activation)(logits, target, valid)
    if name == "bce":
        truth = torch.nn.functional.one_hot(labels, 3).float()
        theirs = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth)
    else:
        theirs = torch.nn.functional.cross_entropy(logits, labels)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-6)


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own() -> None:
    data = items()
    orders = [data.order(epoch) - epoch * len(data) for epoch in range(3)]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert not np.array_equal(orders[0], orders[1])
    assert np.array_equal(items(seed=5).order(2), items(seed=5).order(2))


def test_a_batch_follows_from_its_keys_alone() -> None:
    data = items()
    steps = deal(data.order(1), 3)
    every = list(data.batches(steps))
    (again,) = list(items().batches(steps[1:2]))
    assert torch.equal(every[1][0], again[0]) and torch.equal(every[1][1], again[1])
    assert every[0][0].shape == (3, 1, 16, 16) and every[2][0].shape == (1, 1, 16, 16)
    other = next(iter(items(seed=1).batches(steps[1:2])))[0]
    assert not torch.equal(other, again[0])


def test_images_and_labels_belong_together() -> None:
    own = samples(7)
    plain = AugmentConfig(flip_horizontal=0, flip_vertical=0, rotate90=0)
    data = LabelledImages(
        Pictures(own, SPEC, 10**6), label_rows(own, CLASSES), SPEC, BatchAugment(plain, ClassifyConfig()), 0
    )
    order = data.order(0)
    for (images, labels), step in zip(data.batches(deal(order, 2)), deal(order, 2), strict=True):
        for image, label, key in zip(images, labels, step.micro[0], strict=True):
            assert int(label) == key % 3
            assert torch.allclose(
                image[0] * 0.25 + 0.5, torch.from_numpy(draw(key % 3, key)[..., 0] / 255.0).float(), atol=1e-6
            )


def gate_labels(clean: int, defective: int) -> torch.Tensor:
    return torch.tensor([[0.0]] * clean + [[1.0]] * defective)


def test_twice_the_clean_images_double_the_weight_of_a_defect() -> None:
    few, many = (positive_weights(gate_labels(clean, 5), 1) for clean in (15, 30))
    assert few.tolist() == [3.0] and (many == 2 * few).all()
    assert positive_weights(gate_labels(5000, 1), 1).tolist() == [100.0]
    assert positive_weights(gate_labels(0, 3), 1).tolist() == [0.01], "finite, and above 0 as the loss wants"
    rows = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    assert positive_weights(rows, 3).tolist() == [2.0, 0.5, 1.0]


def test_with_their_weights_presence_and_absence_pull_alike() -> None:
    labels = gate_labels(12, 3)
    logits = torch.zeros(15, 1, requires_grad=True)
    terms = [{"name": "bce", "options": {"pos_weight": positive_weights(labels, 1).tolist()}}]
    build_loss(terms, "sigmoid")(logits, *label_target(labels, 1, "sigmoid")).backward()
    assert logits.grad is not None
    assert float(logits.grad[:12].sum()) == pytest.approx(-float(logits.grad[12:].sum()))


def test_weights_draw_rare_classes_as_often() -> None:
    labels = torch.tensor([0] * 8 + [1] * 2)
    weights = balanced_weights(labels, 2)
    assert weights[:8].sum() == pytest.approx(weights[8:].sum())
    assert class_weights(labels, 3).tolist() == pytest.approx([10 / 24, 10 / 6, 0])
    rows = label_rows(several(8), CLASSES)
    assert balanced_weights(rows, 3)[0] == 1, "an image without a label has no class to go by"
    one = torch.tensor([[1.0], [0.0], [0.0], [0.0]])
    assert balanced_weights(one, 1).tolist() == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3]), "with or without it"
    drawn = items(weights=[1, 1, 1, 1, 1, 1, 8]).order(0) % 7
    assert int((drawn == 6).sum()) == 4
