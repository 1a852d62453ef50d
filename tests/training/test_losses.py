"""Losses against numbers worked out by hand, and the properties that all of them share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from flawscope.errors import ConfigError
from flawscope.training.losses import (
    LOSSES,
    bce,
    binary_focal_dice,
    build_loss,
    cross_entropy,
    dice,
    focal,
    tolerant_dice,
    tversky,
)
from flawscope.training.lovasz import jaccard_gradient, lovasz
from flawscope.training.tolerant import disk_max

SIGMOID = ["bce", "dice", "focal", "binary_focal_dice", "tversky", "tolerant_dice", "lovasz"]
SOFTMAX = ["cross_entropy", "dice", "focal", "tversky", "tolerant_dice", "lovasz"]


def logit(*shares: float) -> Tensor:
    """1 x 1 x 1 x W logits of the given probabilities."""
    return torch.logit(torch.tensor(shares, dtype=torch.float64)).reshape(1, 1, 1, -1)


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(1, 1, 1, -1)


def all_valid(logits: Tensor) -> Tensor:
    return torch.ones(logits.shape[0], *logits.shape[2:], dtype=torch.bool)


P = logit(0.9, 0.2, 0.6, 0.3)
T = row(1, 0, 0, 1)
V = all_valid(P)


def test_bce_by_hand() -> None:
    terms = [-math.log(0.9), -math.log(0.8), -math.log(0.4), -math.log(0.3)]
    assert bce(P, T, V).item() == pytest.approx(sum(terms) / 4)
    weighted = [3 * terms[0], terms[1], terms[2], 3 * terms[3]]
    assert bce(P, T, V, pos_weight=3.0).item() == pytest.approx(sum(weighted) / 4)
    assert bce(P, T, V, class_weights=[2.0]).item() == pytest.approx(2 * sum(terms) / 4)


def test_hard_negatives_keep_all_positives_and_the_dearest_negatives() -> None:
    kept = [-math.log(0.9), -math.log(0.3), -math.log(0.4)]
    assert bce(P, T, V, hard_negative_ratio=0.5).item() == pytest.approx(sum(kept) / 3)
    everything = bce(P, T, V, hard_negative_ratio=100.0).item()
    assert everything == pytest.approx(bce(P, T, V).item())


def test_focal_by_hand_and_as_bce() -> None:
    by_hand = (
        -0.25 * 0.1**2 * math.log(0.9)
        - 0.75 * 0.2**2 * math.log(0.8)
        - 0.75 * 0.6**2 * math.log(0.4)
        - 0.25 * 0.7**2 * math.log(0.3)
    ) / 4
    assert focal(P, T, V).item() == pytest.approx(by_hand)
    assert focal(P, T, V, alpha=0.5, gamma=0.0).item() == pytest.approx(0.5 * bce(P, T, V).item())


def test_dice_by_hand() -> None:
    hit, false_alarm, miss = 0.9 + 0.3, 0.2 + 0.6, 0.1 + 0.7
    expected = 1 - (2 * hit + 1) / (2 * hit + false_alarm + miss + 1)
    assert dice(P, T, V).item() == pytest.approx(expected)
    f2 = 1 - (5 * hit + 1) / (5 * hit + 4 * miss + false_alarm + 1)
    assert dice(P, T, V, beta=2.0).item() == pytest.approx(f2)


def test_dice_pools_over_the_batch() -> None:
    logits, target = torch.cat([P, P]), torch.cat([T, torch.zeros_like(T)])
    valid = all_valid(logits)
    hit, total_p, total_t = 1.2, 4.0, 2.0
    assert dice(logits, target, valid, smooth=0.0).item() == pytest.approx(1 - 2 * hit / (total_p + total_t))
    per_image = (dice(P, T, V).item() + 1 - 1 / (2.0 + 1)) / 2
    assert dice(logits, target, valid, pool="image").item() == pytest.approx(per_image)


def test_tversky_by_hand() -> None:
    index = (1.2 + 1) / (1.2 + 0.3 * 0.8 + 0.7 * 0.8 + 1)
    assert tversky(P, T, V).item() == pytest.approx(1 - index)
    assert tversky(P, T, V, gamma=0.75).item() == pytest.approx((1 - index) ** 0.75)
    half = tversky(P, T, V, alpha=0.5, beta=0.5, smooth=0.5).item()
    assert half == pytest.approx(dice(P, T, V, smooth=1.0).item())


def test_tolerant_dice_by_hand() -> None:
    """Tolerance 1: the truth at pixels 0 and 3 reaches 0 to 3; each pixel sees its neighbours."""
    p_hit, p_sum, t_hit = 0.9 + 0.2 + 0.6 + 0.3, 2.0, 0.9 + 0.6
    precision, recall = (p_hit + 1) / (p_sum + 1), (t_hit + 1) / (2 + 1)
    expected = 1 - 2 * precision * recall / (precision + recall)
    assert tolerant_dice(P, T, V, tolerance_px=1).item() == pytest.approx(expected)
    f2 = 1 - 5 * precision * recall / (4 * precision + recall)
    assert tolerant_dice(P, T, V, tolerance_px=1, beta=2.0).item() == pytest.approx(f2)


def test_tolerant_dice_forgives_two_pixels_and_no_more() -> None:
    truth = torch.zeros(1, 1, 9, 12, dtype=torch.float64)
    truth[..., 4, :] = 1

    def loss_of(rows_down: int) -> float:
        logits = 60.0 * truth.roll(rows_down, dims=2) - 30.0
        return tolerant_dice(logits, truth, all_valid(logits), smooth=1e-6).item()

    for rows_down in (-2, 0, 2):
        assert loss_of(rows_down) == pytest.approx(0.0, abs=1e-9)
    assert loss_of(3) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("radius_px", [0, 1, 2, 3, 5])
def test_disk_max_is_the_maximum_over_a_disk(radius_px: int) -> None:
    values = torch.rand(2, 3, 13, 17)
    across, down = np.meshgrid(*[np.arange(-radius_px, radius_px + 1)] * 2)
    disk = across**2 + down**2 <= radius_px**2
    for plane, found in zip(values.flatten(0, 1), disk_max(values, radius_px).flatten(0, 1), strict=True):
        expected = ndimage.maximum_filter(plane.numpy(), footprint=disk, mode="constant", cval=0.0)
        assert np.array_equal(found.numpy(), expected)


def test_binary_focal_dice_is_the_sum() -> None:
    expected = focal(P, T, V) + dice(P, T, V, smooth=1e-5)
    assert binary_focal_dice(P, T, V).item() == pytest.approx(expected.item())
    by_key = 2 * focal(P, T, V, alpha=0.5, gamma=1.0) + dice(P, T, V, beta=2.0, smooth=1.0)
    keys = {"alpha": 0.5, "gamma": 1.0, "beta": 2.0, "smooth": 1.0, "focal_weight": 2.0}
    assert binary_focal_dice(P, T, V, **keys).item() == pytest.approx(by_key.item())


def test_two_softmax_channels_lose_as_one_sigmoid_channel_does() -> None:
    two = torch.cat([torch.full_like(P, 1.7), P + 1.7], dim=1)
    exclusive = build_loss([{"name": "binary_focal_dice"}], "softmax")(two, T.squeeze(1).long(), V)
    assert exclusive.item() == pytest.approx(binary_focal_dice(P, T, V).item(), rel=1e-5)
    with pytest.raises(ConfigError, match="exclusive"):
        binary_focal_dice(torch.cat([two, P], dim=1), T.squeeze(1).long(), V)


def test_cross_entropy_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.7, 0.2], [0.2, 0.3], [0.1, 0.5]], dtype=torch.float64)).reshape(
        1, 3, 1, 2
    )
    target = torch.tensor([0, 2]).reshape(1, 1, 2)
    valid = all_valid(logits)
    expected = (-math.log(0.7) - math.log(0.5)) / 2
    assert cross_entropy(logits, target, valid).item() == pytest.approx(expected)
    weighted = (-math.log(0.7) - 4 * math.log(0.5)) / 2
    assert cross_entropy(logits, target, valid, class_weights=[1, 1, 4]).item() == pytest.approx(weighted)
    by_focal = (-(0.3**2) * math.log(0.7) - 0.5**2 * math.log(0.5)) / 2
    assert focal(logits, target, valid).item() == pytest.approx(by_focal)


def test_jaccard_gradient_is_the_growth_of_the_loss() -> None:
    # Two true pixels of four; wrong one by one: 1, 0, 1, 0 -> Jaccard losses 1/2, 2/3, 1, 1
    steps = jaccard_gradient(torch.tensor([1.0, 0.0, 1.0, 0.0]))
    torch.testing.assert_close(steps.cumsum(0), torch.tensor([1 / 2, 2 / 3, 1.0, 1.0]))


def test_lovasz_equals_one_minus_iou_at_the_corners() -> None:
    """For answers that are wrong by a margin of exactly one the extension is the Jaccard loss itself."""
    truth = row(1, 1, 0, 0, 0)
    right, wrong = 1.0, 0.0  # hinge errors 0 and 1
    signs = 2 * truth - 1
    margins = row(right, wrong, wrong, right, right)
    assert lovasz(margins * signs, truth, all_valid(truth)).item() == pytest.approx(1 - 1 / 3)


def test_lovasz_softmax_of_a_certain_answer() -> None:
    logits = torch.zeros(1, 2, 1, 4)
    target = torch.tensor([0, 0, 1, 1]).reshape(1, 1, 4)
    answer = torch.tensor([0, 1, 1, 1]).reshape(1, 1, 4)
    logits.scatter_(1, answer.unsqueeze(1), 50.0)
    assert lovasz(logits, target, all_valid(logits)).item() == pytest.approx((1 / 2 + 1 / 3) / 2)


def random_case(activation: str, classes: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, classes, 8, 9, generator=generator, dtype=torch.float64)
    if activation == "sigmoid":
        target = (torch.rand(2, classes, 8, 9, generator=generator) > 0.7).double()
    else:
        target = torch.randint(0, classes, (2, 8, 9), generator=generator)
    return logits, target, torch.rand(2, 8, 9, generator=generator) > 0.2


CASES = [(name, "sigmoid") for name in SIGMOID] + [(name, "softmax") for name in SOFTMAX]


def test_every_loss_is_covered() -> None:
    assert set(SIGMOID) | set(SOFTMAX) == set(LOSSES)


@pytest.mark.parametrize(("name", "activation"), CASES)
def test_ignored_pixels_count_nowhere(name: str, activation: str) -> None:
    logits, target, valid = random_case(activation)
    loss = build_loss([{"name": name}], activation)
    logits.requires_grad_()
    value = loss(logits, target, valid)
    (gradient,) = torch.autograd.grad(value, logits)
    assert gradient.movedim(1, -1)[~valid].abs().max() == 0
    assert gradient.abs().max() > 0
    changed = torch.where(valid.unsqueeze(1), logits.detach(), torch.tensor(9.0, dtype=torch.float64))
    hidden = torch.where(
        valid if activation == "softmax" else valid.unsqueeze(1), target, torch.tensor(255).to(target.dtype)
    )
    if activation == "softmax" or name not in ("bce", "focal", "binary_focal_dice"):
        torch.testing.assert_close(loss(changed, hidden, valid), value.detach())
    else:
        torch.testing.assert_close(loss(changed, target, valid), value.detach())


@pytest.mark.parametrize(("name", "activation"), CASES)
def test_a_step_down_the_gradient_lowers_every_loss(name: str, activation: str) -> None:
    logits, target, valid = random_case(activation)
    loss = build_loss([{"name": name}], activation)
    logits.requires_grad_()
    before = loss(logits, target, valid)
    (gradient,) = torch.autograd.grad(before, logits)
    after = loss(logits.detach() - 1e-2 * gradient / gradient.norm(), target, valid)
    assert after < before


@pytest.mark.parametrize(("name", "activation"), CASES)
@pytest.mark.parametrize("empty", ["truth", "valid"])
def test_nothing_to_learn_from_gives_a_finite_loss(name: str, activation: str, empty: str) -> None:
    logits, target, valid = random_case(activation)
    if empty == "truth":
        target = torch.zeros_like(target)
    else:
        valid = torch.zeros_like(valid)
    logits.requires_grad_()
    value = build_loss([{"name": name}], activation)(logits, target, valid)
    value.backward()
    assert torch.isfinite(value)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_softmax_regions_leave_the_background_out_unless_asked() -> None:
    logits, target, valid = random_case("softmax")
    with_background = dice(logits, target, valid, background=True)
    assert with_background.item() != pytest.approx(dice(logits, target, valid).item())


def test_lovasz_per_image_is_the_mean_of_images() -> None:
    logits, target, valid = random_case("sigmoid")
    alone = [lovasz(logits[i : i + 1], target[i : i + 1], valid[i : i + 1]).item() for i in range(2)]
    assert lovasz(logits, target, valid, per_image=True).item() == pytest.approx(sum(alone) / 2)


def test_a_sum_weighs_its_terms_and_the_side_outputs() -> None:
    loss = build_loss([{"name": "bce", "weight": 2.0}, {"name": "dice", "options": {"smooth": 0.5}}])
    main = 2 * bce(P, T, V) + dice(P, T, V, smooth=0.5)
    assert loss(P, T, V).item() == pytest.approx(main.item(), rel=1e-5)
    side = loss(-P, T, V).item()
    assert loss([P, -P], T, V).item() == pytest.approx((main.item() + 0.5 * side) / 1.5, rel=1e-5)
    assert loss.parts(P, T, V).keys() == {"bce", "dice"}


@pytest.mark.parametrize(
    ("terms", "activation", "named"),
    [
        ([], "sigmoid", "no terms"),
        ([{"name": "bcee"}], "sigmoid", "bcee"),
        ([{"name": "bce", "options": {"weight": 3}}], "sigmoid", "'weight'"),
        ([{"name": "cross_entropy"}], "sigmoid", "does not fit"),
    ],
)
def test_a_wrong_loss_is_named(terms: list[dict[str, Any]], activation: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build_loss(terms, activation)


def test_bce_of_two_exclusive_channels_is_softmax_cross_entropy() -> None:
    """softmax(b, c) = sigmoid(c - b); ignored pixels count in neither, three classes are refused."""
    logits = torch.randn(2, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    target = torch.randint(0, 2, (2, 5, 4), generator=torch.Generator().manual_seed(1))
    valid = torch.ones(2, 5, 4, dtype=torch.bool)
    valid[0, 0] = False
    target[0, 0] = 255
    one = build_loss([{"name": "bce"}], "softmax")(logits, target, valid)
    assert one.item() == pytest.approx(cross_entropy(logits, target, valid).item(), rel=1e-5)
    heavy = bce(logits, target, valid, pos_weight=3.0)
    assert heavy > one
    with pytest.raises(ConfigError, match="bce got 3 exclusive classes"):
        bce(torch.randn(2, 3, 5, 4), target, valid)


def test_wrong_values_are_named() -> None:
    with pytest.raises(ConfigError, match="class weights"):
        bce(P, T, V, class_weights=[1.0, 2.0])
    with pytest.raises(ConfigError, match="pools over"):
        dice(P, T, V, pool="row")
    with pytest.raises(ConfigError, match="lovasz got"):
        lovasz(P[0], T, V)
