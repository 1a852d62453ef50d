"""Figures of classifiers equal hand counts and their definitions; unfit answers are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flawscope.errors import DataError
from flawscope.evaluation.classification import (
    Answer,
    Answers,
    Head,
    confusion_matrix,
    gather,
    image_losses,
    summarise_answers,
)

NAMES = ("crack", "dent", "clean")


def one_of(name: str, scores: list[float], label: int, **more: str) -> Answer:
    return Answer(name, np.array(scores), (label,), **more)


@pytest.fixture
def single() -> Answers:
    """Truth 0 0 0 1 1 2, model 0 0 1 1 0 0: the third class is never said."""
    rows = [
        one_of("a", [0.8, 0.1, 0.1], 0),
        one_of("b", [0.5, 0.25, 0.25], 0),
        one_of("c", [0.3, 0.6, 0.1], 0),
        one_of("d", [0.1, 0.9, 0.0], 1),
        one_of("e", [0.7, 0.2, 0.1], 1),
        one_of("f", [0.5, 0.1, 0.4], 2),
    ]
    return gather(rows, NAMES, "softmax")


@pytest.fixture
def several() -> Answers:
    """Two classes, any number an image: right, half right, wrong, right (none)."""
    rows = [
        Answer("a", np.array([0.9, 0.8]), (0, 1)),
        Answer("b", np.array([0.6, 0.2]), (0, 1)),
        Answer("c", np.array([0.5, 0.7]), ()),
        Answer("d", np.array([0.1, 0.4]), ()),
    ]
    return gather(rows, NAMES[:2], "sigmoid")


def test_one_class_an_image_by_hand(single: Answers) -> None:
    summary = summarise_answers(single, draws=0)
    assert summary.confusion is not None
    assert summary.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert summary.tables.tolist() == [[[1, 2], [1, 2]], [[3, 1], [1, 1]], [[5, 0], [1, 0]]]
    crack, dent, clean = ({k: f.value for k, f in summary.classes[name].items()} for name in NAMES)
    assert (crack["precision"], crack["recall"], crack["f1"]) == pytest.approx((2 / 4, 2 / 3, 4 / 7))
    assert (dent["precision"], dent["recall"], dent["f1"]) == pytest.approx((1 / 2, 1 / 2, 1 / 2))
    assert math.isnan(clean["precision"])
    assert (clean["recall"], clean["f1"], clean["accuracy"]) == pytest.approx((0, 0, 5 / 6))
    figures = {name: figure.value for name, figure in summary.figures.items()}
    assert figures["accuracy"] == figures["exact_match"] == pytest.approx(3 / 6)
    assert figures["precision_macro"] == pytest.approx((2 / 4 + 1 / 2 + 0) / 3)
    assert figures["recall_macro"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert figures["f1_macro"] == pytest.approx((4 / 7 + 1 / 2 + 0) / 3)
    said_of_truth = [0.8, 0.5, 0.3, 0.9, 0.2, 0.4]
    assert figures["loss"] == pytest.approx(-np.log(said_of_truth).mean(), rel=1e-6)


def test_calibration_is_of_the_class_that_is_named_not_of_the_likeliest() -> None:
    """A gate names a defect where clean is likelier: what it said of the defect is what must come true."""
    rows = [Answer(n, np.array([0.1, 0.1, 0.8]), (0,), said=(0,)) for n in "abcd"]
    answers = gather(rows, NAMES, "softmax")
    assert answers.named_scores.tolist() == pytest.approx([0.1] * 4)
    assert summarise_answers(answers, draws=0).figures["calibration_error"].value == pytest.approx(0.9)


def test_any_number_of_classes_by_hand(several: Answers) -> None:
    summary = summarise_answers(several, draws=0)
    assert summary.confusion is None
    # Class 0: said of a, b, c (.5 is at its threshold), true of a, b. Class 1: said of a, c, true of a, b.
    assert summary.tables.tolist() == [[[1, 1], [0, 2]], [[1, 1], [1, 1]]]
    figures = {name: figure.value for name, figure in summary.figures.items()}
    assert figures["exact_match"] == pytest.approx(2 / 4)
    assert figures["accuracy"] == figures["accuracy_macro"] == pytest.approx(5 / 8)
    assert figures["precision_macro"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    right = [0.9, 0.8, 0.6, 0.2, 0.5, 0.3, 0.9, 0.6]
    assert figures["loss"] == pytest.approx(-np.log(right).mean(), rel=1e-6)


def test_a_threshold_of_its_own_a_class(several: Answers) -> None:
    rows = [
        Answer(n, s, tuple(np.flatnonzero(t)))
        for n, s, t in zip(several.names, several.scores, several.truth, strict=True)
    ]
    strict = gather(rows, NAMES[:2], "sigmoid", thresholds=(0.55, 0.75))
    assert strict.predicted.tolist() == [[True, True], [True, False], [False, False], [False, False]]


def test_the_first_of_equals_is_the_models() -> None:
    answers = gather([one_of("a", [0.4, 0.4, 0.2], 1)], NAMES, "softmax")
    assert answers.predicted.tolist() == [[True, False, False]]


def test_certain_and_wrong_costs_much_but_not_everything() -> None:
    answers = gather([one_of("a", [1.0, 0.0, 0.0], 1)], NAMES, "softmax")
    assert image_losses(answers) == pytest.approx([-math.log(1e-7)])


@st.composite
def random_answers(draw: st.DrawFn) -> Answers:
    head: Head = draw(st.sampled_from(["softmax", "sigmoid"]))
    classes, images = draw(st.integers(2, 12)), draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    names = [f"class {k}" for k in range(classes)]
    if head == "softmax":
        scores = rng.dirichlet(np.ones(classes), images)
        labels = [(int(k),) for k in rng.integers(0, classes, images)]
    else:
        scores = rng.random((images, classes))
        labels = [tuple(np.flatnonzero(row).tolist()) for row in rng.random((images, classes)) < 0.4]
    rows = [Answer(f"i{k}", scores[k], labels[k], group=f"g{k // 2}") for k in range(images)]
    return gather(rows, names, head)


@given(random_answers())
def test_tables_hold_every_image_and_agree_with_the_matrix(answers: Answers) -> None:
    summary = summarise_answers(answers, draws=0)
    assert (summary.tables.sum(axis=(1, 2)) == len(answers.names)).all()
    matrix = confusion_matrix(answers)
    if matrix is not None:
        assert matrix.sum() == len(answers.names)
        assert (matrix.sum(axis=1) == answers.truth.sum(axis=0)).all()
        assert (np.diag(matrix) == summary.tables[:, 1, 1]).all()
        assert summary.figures["accuracy"].value == pytest.approx(np.trace(matrix) / matrix.sum())


@given(random_answers())
def test_shares_are_shares_and_exact_is_the_strictest(answers: Answers) -> None:
    figures = summarise_answers(answers, draws=0).figures
    for name, figure in figures.items():
        assert math.isnan(figure.value) or 0.0 <= figure.value <= (np.inf if name == "loss" else 1 + 1e-9)
    assert figures["exact_match"].value <= figures["accuracy"].value + 1e-9


@given(random_answers(), st.randoms())
def test_the_order_of_images_does_not_matter(answers: Answers, random: st.DrawFn) -> None:
    order = list(range(len(answers.names)))
    random.shuffle(order)  # type: ignore[attr-defined]
    rows = [
        Answer(answers.names[k], answers.scores[k], tuple(np.flatnonzero(answers.truth[k]).tolist()))
        for k in order
    ]
    shuffled = summarise_answers(gather(rows, answers.class_names, answers.head), draws=0).figures
    for name, figure in summarise_answers(answers, draws=0).figures.items():
        assert shuffled[name].value == pytest.approx(figure.value, nan_ok=True)


def test_limits_hold_the_figure_and_come_again_with_the_seed() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 200)
    scores = rng.dirichlet(np.ones(3), 200) * 0.5 + 0.5 * np.eye(3)[truth] * rng.random((200, 1)) + 1e-6
    scores /= scores.sum(axis=1, keepdims=True)
    rows = [one_of(f"i{k}", scores[k].tolist(), int(truth[k])) for k in range(200)]
    answers = gather(rows, NAMES, "softmax")
    first, second = (summarise_answers(answers, draws=200, seed=5) for _ in range(2))
    for name in ("accuracy", "loss", "f1_macro"):
        figure = first.figures[name]
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low < figure.value < figure.high
        assert second.figures[name] == figure
    assert first.classes["dent"]["recall"].low is not None


def test_limits_are_wider_where_images_belong_together() -> None:
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(40) < 0.6, 10)
    rows = [
        (one_of(f"i{k}", [0.9, 0.1, 0.0] if yes else [0.1, 0.9, 0.0], 0, group=f"g{k // 10}"))
        for k, yes in enumerate(right)
    ]
    apart = [Answer(row.name, row.scores, row.labels) for row in rows]

    def width(answers: list[Answer]) -> float:
        figure = summarise_answers(gather(answers, NAMES, "softmax"), draws=300).figures["accuracy"]
        assert figure.low is not None
        assert figure.high is not None
        return figure.high - figure.low

    assert width(rows) > 2 * width(apart)


def test_one_group_and_no_images_have_no_limits() -> None:
    alone = gather([one_of("a", [0.9, 0.1, 0.0], 0)], NAMES, "softmax")
    assert summarise_answers(alone).figures["accuracy"].low is None
    nothing = summarise_answers(gather([], NAMES, "softmax"))
    assert math.isnan(nothing.figures["accuracy"].value)
    assert nothing.confusion is not None
    assert not nothing.confusion.any()


@pytest.mark.parametrize(
    ("head", "scores", "labels", "words"),
    [
        ("softmax", [0.5, 0.5], (0,), "2 probabilities for 3 classes"),
        ("softmax", [0.5, 0.4, 0.4], (0,), "add up to 1.3"),
        ("softmax", [0.5, 0.5, float("nan")], (0,), "between 0 and 1"),
        ("sigmoid", [0.5, 1.5, 0.0], (0,), "between 0 and 1"),
        ("softmax", [0.5, 0.5, 0.0], (0, 1), "head = 'sigmoid'"),
        ("softmax", [0.5, 0.5, 0.0], (), "exactly one"),
        ("sigmoid", [0.5, 0.5, 0.0], (3,), "0 to 2"),
    ],
)
def test_unfit_answers_are_refused_by_name(
    head: Head, scores: list[float], labels: tuple[int, ...], words: str
) -> None:
    with pytest.raises(DataError, match=words) as caught:
        gather([Answer("plate 7", np.array(scores), labels)], NAMES, head)
    assert "plate 7" in str(caught.value)


def test_a_threshold_too_few_is_refused() -> None:
    with pytest.raises(DataError, match="2 thresholds for 3 classes"):
        gather([], NAMES, "sigmoid", thresholds=(0.5, 0.5))
