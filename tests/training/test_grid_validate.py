"""Soft Dice, validation on the network's grid, and how many pixels make an image positive."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flawscope.manifest import InputSpec
from flawscope.training.config import ValidationConfig
from flawscope.training.grid_validate import GridValidator
from flawscope.training.losses import build_loss
from flawscope.training.presence import best_presence, fixed_presence, tuned_presence
from flawscope.training.soft_dice import soft_dice

from .small import CRACK, samples


def test_soft_dice_by_hand() -> None:
    truth = torch.zeros(1, 1, 2, 2)
    truth[0, 0, 0] = 1
    valid = torch.ones(1, 2, 2, dtype=torch.bool)
    flat = soft_dice(torch.zeros(1, 1, 2, 2), truth, valid, "sigmoid")
    assert float(flat) == pytest.approx((2 * 1 + 1) / (2 + 2 + 1))
    sure = soft_dice((truth * 2 - 1) * 50, truth, valid, "sigmoid")
    assert float(sure) == pytest.approx(1.0)
    valid[0, 0, 0] = False
    assert float(soft_dice(torch.zeros(1, 1, 2, 2), truth, valid, "sigmoid")) == pytest.approx(2 / 3.5)


def test_soft_dice_of_a_softmax_leaves_the_background_out() -> None:
    target = torch.tensor([[[0, 1], [2, 255]]])
    logits = torch.nn.functional.one_hot(target.clamp(0, 2), 3).movedim(-1, 1).float() * 60
    value = soft_dice([logits, logits], target, target != 255, "softmax")
    assert float(value) == pytest.approx(1.0, abs=1e-5)


class Fixed(torch.nn.Module):
    """Answers the same logit everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.logit = torch.nn.Parameter(torch.zeros(()))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.logit.expand(len(image), 1, *image.shape[-2:])


def test_loss_is_a_mean_over_images_and_dice_one_over_batches() -> None:
    spec = InputSpec(mode="resize", size_hw=(24, 32))
    validator = GridValidator(samples(5), spec, CRACK, build_loss([{"name": "bce"}]), 2)
    network = Fixed()
    found = validator(network)
    assert found["val_loss"] == pytest.approx(float(np.log(2)), abs=1e-5)
    assert 0 < found["val_dice"] < 0.5 and network.training
    assert len(validator.first().samples) == 2

    def doubled(sums: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return sums * 2

    assert validator(network, doubled) == pytest.approx(found)


def test_presence_in_proportion() -> None:
    options = ValidationConfig(presence_px=200, presence_of_px=102_400)
    chosen = fixed_presence(options, CRACK)["crack"]
    assert (chosen.value, chosen.of_px) == (200, 102_400)
    plain = fixed_presence(ValidationConfig(presence_px=7), CRACK)["crack"]
    assert (plain.value, plain.of_px) == (7, None)
    with pytest.raises(ValueError, match="tuned"):
        fixed_presence(ValidationConfig(presence_px="tuned"), CRACK)


def test_tuned_presence_tells_most_images_right_with_the_fewest_pixels() -> None:
    predicted = np.array([0, 30, 90, 500, 600])
    true = np.array([False, False, True, True, True])
    assert best_presence(predicted, true) == 31
    assert best_presence(predicted, np.ones(5, bool)) == 1
    chosen = tuned_presence({"crack": predicted.tolist()}, {"crack": true.tolist()}, "here", 600)
    assert chosen["crack"].value == 31 and chosen["crack"].data == "here"
    assert chosen["crack"].of_px == 600
