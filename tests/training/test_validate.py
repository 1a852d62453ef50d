"""Figures while training are those of the evaluation room, at the best threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from flawscope.evaluation.counts import THRESHOLDS, count_image
from flawscope.inspection.options import PredictOptions
from flawscope.manifest import InputSpec
from flawscope.training import validate
from flawscope.training.losses import build_loss
from flawscope.training.validate import Validator, to_logits, to_target
from flawscope.types import ClassInfo, Sample

CRACK = (ClassInfo(1, "crack"),)
SPEC = InputSpec(size_px=96, halo_px=8, blend_px=8, stride_multiple=1, mean=(0, 0, 0), std=(1, 1, 1))


class Brightness(nn.Module):
    """Logits are the brightness of the first channel."""

    def forward(self, image: Tensor) -> Tensor:
        return 8 * (image[:, :1] - 0.5)


def _sample(seed: int, size_hw: tuple[int, int] = (50, 70)) -> Sample:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    mask = (image[..., 0] > 200).astype(np.uint8)
    mask[rng.random(size_hw) < 0.1] ^= 1
    mask[:5] = 255
    return Sample(f"s{seed}", image=lambda: image, read_mask=lambda: mask)


def _validator(count: int) -> Validator:
    loss = build_loss([{"name": "bce"}])
    return Validator([_sample(n) for n in range(count)], SPEC, CRACK, loss, PredictOptions(), batch=2)


def test_figures_equal_a_direct_count() -> None:
    found = _validator(3)(Brightness())
    f1s, tols = [], []
    for threshold in THRESHOLDS:
        counts = []
        for n in range(3):
            sample = _sample(n)
            p = 1 / (1 + np.exp(-8 * (sample.image()[..., 0].astype(np.float32) / 255 - 0.5)))
            assert sample.mask is not None
            counts.append(count_image(p, sample.mask, float(threshold)))
        tp, fp, fn = (sum(getattr(c, key) for c in counts) for key in ("tp", "fp", "fn"))
        f1s.append(2 * tp / max(2 * tp + fp + fn, 1))
        precision = sum(c.predicted_hit_tol2 for c in counts) / max(tp + fp, 1)
        recall = sum(c.true_hit_tol2 for c in counts) / max(tp + fn, 1)
        tols.append(2 * precision * recall / max(precision + recall, 1e-9))
    assert found["val_f1"] == pytest.approx(max(f1s), abs=1e-6)
    assert found["val_f1_tol2"] == pytest.approx(max(tols), abs=1e-6)
    assert found["val_iou"] == pytest.approx(max(f1s) / (2 - max(f1s)), abs=1e-6)
    assert 0 < found["val_loss"] < 2


def test_processes_count_together_what_one_counts_alone() -> None:
    alone = _validator(3)(Brightness())
    parts = []
    for rank in range(2):
        _validator(3)(Brightness(), lambda sums: parts.append(sums) or sums, rank, 2)  # type: ignore[func-returns-value]
    together = _validator(3)(Brightness(), lambda _: parts[0] + parts[1], 0, 2)
    assert together == pytest.approx(alone)


@pytest.mark.parametrize("name", ["binary_focal_dice", "dice", "bce"])
def test_the_loss_is_pooled_over_a_batch_as_in_training(name: str) -> None:
    """Images of two sizes, one of them clean: as one image that shows them all side by side."""
    shown = [_sample(1), _sample(2, (40, 90)), _clean((30, 30))]
    loss = build_loss([{"name": name}])
    found = Validator(shown, SPEC, CRACK, loss, PredictOptions(), batch=3)(Brightness())["val_loss"]
    assert found == pytest.approx(_loss_of_one_row(shown, loss), rel=1e-4)


def test_a_clean_image_weighs_as_its_pixels_do() -> None:
    loss = build_loss([{"name": "binary_focal_dice"}])
    shown = [_sample(1), _clean((50, 70))]
    by_one, by_two = (
        Validator(shown, SPEC, CRACK, loss, PredictOptions(), batch=batch)(Brightness())["val_loss"]
        for batch in (1, 2)
    )
    alone = Validator(shown[:1], SPEC, CRACK, loss, PredictOptions())(Brightness())["val_loss"]
    assert by_two < alone + 0.1 < by_one


def test_large_photographs_are_pooled_as_far_as_memory_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = build_loss([{"name": "binary_focal_dice"}])
    shown = [_sample(number) for number in range(4)]
    by_two = Validator(shown, SPEC, CRACK, loss, PredictOptions(), batch=2)(Brightness())
    monkeypatch.setattr(validate, "_MOST_PX", 2 * 50 * 70)
    assert Validator(shown, SPEC, CRACK, loss, PredictOptions(), batch=4)(Brightness()) == by_two


def _clean(size_hw: tuple[int, int]) -> Sample:
    """Nothing in it, and the network is nearly sure of that."""
    image, mask = np.zeros((*size_hw, 3), np.uint8), np.zeros(size_hw, np.uint8)
    return Sample("clean", image=lambda: image, read_mask=lambda: mask)


def _loss_of_one_row(shown: list[Sample], loss: nn.Module) -> float:
    pixels = np.concatenate([one.image()[..., 0].ravel() for one in shown])
    truth = torch.from_numpy(np.concatenate([one.read_mask().ravel() for one in shown]))[None, None]  # type: ignore[misc]
    logits = 8 * (torch.from_numpy(pixels.astype(np.float32))[None, None, None] / 255 - 0.5)
    return float(loss(logits, (truth == 1).float()[:, None], truth != 255))


def test_no_class_at_all_gives_nan_not_a_crash() -> None:
    blank = Sample(
        "x", image=lambda: np.zeros((9, 9, 3), np.uint8), read_mask=lambda: np.zeros((9, 9), np.uint8)
    )
    loss = build_loss([{"name": "bce"}])
    found = Validator([blank], SPEC, CRACK, loss, PredictOptions())(Brightness())
    assert math.isnan(found["val_f1"]) and math.isfinite(found["val_loss"])


def test_the_network_goes_back_to_training() -> None:
    network = Brightness()
    _validator(1)(network)
    assert network.training


def test_targets() -> None:
    mask = torch.tensor([[[0, 3], [7, 255]]], dtype=torch.uint8)
    classes = (ClassInfo(3, "a"), ClassInfo(7, "b"))
    target, valid = to_target(mask, classes, "sigmoid")
    assert target.shape == (1, 2, 2, 2) and target[0, :, 0, 1].tolist() == [1, 0]
    assert valid.tolist() == [[[True, True], [True, False]]]
    index, _ = to_target(mask, classes, "softmax")
    assert index.tolist() == [[[0, 1], [2, 0]]]
    stack = torch.ones(1, 2, 4, 4, dtype=torch.uint8)
    target, valid = to_target(stack, classes, "sigmoid")
    assert target.dtype == torch.float32 and bool(valid.all())


def test_probabilities_go_back_to_logits() -> None:
    logits = torch.randn(1, 2, 3, 3)
    back = to_logits(logits.sigmoid()[0].numpy(), "sigmoid")
    assert torch.allclose(back, logits, atol=1e-4)
    three = torch.randn(1, 3, 3, 3)
    p = three.softmax(1)[0, 1:].numpy()
    assert torch.allclose(to_logits(p, "softmax").softmax(1), three.softmax(1), atol=1e-4)
