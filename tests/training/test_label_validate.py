"""Validation of a classifier: the figures of the evaluation, whatever the batches and processes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from flawscope.evaluation.classification import Answer, gather
from flawscope.evaluation.classification_metrics import measure_answers
from flawscope.inspection.labels import label_probabilities
from flawscope.inspection.runtimes import TorchRuntime
from flawscope.models.build import build_model
from flawscope.training import label_validate
from flawscope.training.label_validate import LabelValidator
from flawscope.training.losses import build_loss
from flawscope.types import Sample

from .labelled import CLASSES, KINDS, SPEC, samples, several

SIGMOID = SPEC.model_copy(update={"activation": "sigmoid"})


def network() -> nn.Module:
    torch.manual_seed(3)
    return build_model("lab-cnn", in_channels=1, classes=3, size_hw=(16, 16), widths=(3, 4), hidden=8)


def validator(own: list[Sample], head: str = "softmax", **more: int) -> LabelValidator:
    spec = SPEC if head == "softmax" else SIGMOID
    loss = build_loss([{"name": "cross_entropy" if head == "softmax" else "bce"}], head)
    return LabelValidator(own, spec, CLASSES, loss, **more)


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_figures_are_those_of_the_evaluation(head: str) -> None:
    own = samples(11) if head == "softmax" else several(11)
    net = network()
    spec = SPEC if head == "softmax" else SIGMOID
    found = validator(own, head)(net)
    scores = label_probabilities((one.image() for one in own), TorchRuntime(net.eval()), spec, 3)
    answers = [Answer(one.name, row, one.labels) for one, row in zip(own, scores, strict=True)]
    expected = measure_answers(gather(answers, KINDS, head), draws=0)
    assert found["val_accuracy"] == pytest.approx(expected.value("accuracy"), abs=1e-9)
    assert found["val_f1"] == pytest.approx(expected.value("f1_macro"), abs=1e-9)
    assert found["val_loss"] == pytest.approx(expected.value("loss"), rel=1e-4)


def test_batches_memory_and_processes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net, own = network(), samples(11)
    whole = validator(own)(net)
    monkeypatch.setattr(label_validate, "_PIXELS_A_BATCH", 3 * 16 * 16)
    kept = validator(own)
    assert kept(net) == pytest.approx(whole, rel=1e-6)
    assert kept(net) == pytest.approx(whole, rel=1e-6), "the second time out of memory"
    assert validator(own, cache_bytes=0)(net) == pytest.approx(whole, rel=1e-6)
    parts: list[np.ndarray] = []
    for rank in range(2):
        validator(own)(net, lambda sums: parts.append(sums) or sums, rank, 2)  # type: ignore[func-returns-value]
    together = validator(own)(net, lambda _sums: parts[0] + parts[1], 0, 2)
    assert together == pytest.approx(whole, rel=1e-6)


def test_the_network_goes_on_training() -> None:
    net = network().train()
    validator(samples(3))(net)
    assert net.training
    assert len(validator(samples(300)).first().samples) == 256


class Wrong(nn.Module):
    """Sure of the first class, whatever it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, image: Tensor) -> Tensor:
        return torch.tensor([9.0, 0.0, 0.0]).expand(len(image), 3)


def test_training_images_are_counted_beside() -> None:
    own, others = samples(7), samples(9)
    plain, other = validator(own), validator(others)
    both = replace(plain, train=other)
    net = network()
    expected = {**plain(net), **{f"train_{n}": other(net)[f"val_{n}"] for n in ("accuracy", "f1")}}
    assert both(net) == pytest.approx(expected)
    assert set(both.first()(net)) == set(expected)


def test_numbers_by_hand() -> None:
    found = validator(samples(6))(Wrong())
    assert found["val_accuracy"] == pytest.approx(2 / 6)
    # Precision 2 / 6 and recall 1 of the first class, nothing of the others.
    assert found["val_f1"] == pytest.approx((0.5 + 0 + 0) / 3)
    assert found["val_loss"] == pytest.approx((2 * 0.000247 + 4 * 9.000247) / 6, rel=1e-4)
