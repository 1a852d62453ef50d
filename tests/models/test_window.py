"""Windows: the formula of output sizes holds wherever one is told, whoever does the padding."""

from __future__ import annotations

import itertools

import pytest
import torch
from segmentation_models_pytorch.encoders._efficientnet import (
    Conv2dStaticSamePadding,
    MaxPool2dStaticSamePadding,
)
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.pool2d_same import AvgPool2dSame, MaxPool2dSame
from torch import nn

from flawscope.models.classic_parts import output_px
from flawscope.models.window import Window, window_of


def told(part: nn.Module, *size_hw: int) -> Window | None:
    with torch.device("meta"):
        made = part.to("meta")(torch.empty(1, 2, *size_hw))
    return window_of(part, size_hw, made.shape[2:])


@pytest.mark.parametrize(
    ("part", "size_hw", "window"),
    [
        (nn.Conv2d(2, 2, 3, stride=2, padding=1), (8, 9), (3, 2, 1)),
        (nn.Conv2d(2, 2, 3, padding=2, dilation=2), (8, 9), (5, 1, 2)),
        (nn.Conv2d(2, 2, 3, padding="same", dilation=3), (8, 9), (7, 1, 3)),
        (nn.Conv2d(2, 2, 4, padding="same"), (8, 9), (4, 1, None)),
        (nn.Conv2d(2, 2, 3, padding="valid"), (8, 9), (3, 1, 0)),
        (nn.MaxPool2d(3, 2, padding=1), (8, 9), (3, 2, 1)),
        (nn.MaxPool2d(2, dilation=2), (8, 9), (3, 2, 0)),
        (nn.AvgPool2d(2, ceil_mode=True), (8, 10), (2, 2, 0)),
        (Conv2dSame(2, 2, 3, stride=2), (8, 8), (3, 2, None)),
        (Conv2dSame(2, 2, 3, stride=2), (9, 9), (3, 2, 1)),
        (Conv2dSame(2, 2, 3, stride=2), (8, 9), (3, 2, None)),
        (Conv2dSame(2, 2, 1, stride=2), (8, 8), (1, 2, 0)),
        (MaxPool2dSame(3, 2), (8, 8), (3, 2, None)),
        (AvgPool2dSame(3, 2), (9, 9), (3, 2, 1)),
        (Conv2dStaticSamePadding(2, 2, 3, stride=2, image_size=224), (128, 800), (3, 2, None)),
        (Conv2dStaticSamePadding(2, 2, 3, stride=2, image_size=95), (64, 96), (3, 2, 1)),
        (Conv2dStaticSamePadding(2, 2, 5, image_size=224), (64, 96), (5, 1, 2)),
        (Conv2dStaticSamePadding(2, 2, 1, image_size=224), (64, 96), (1, 1, 0)),
        (MaxPool2dStaticSamePadding(3, 2, image_size=224), (64, 96), (3, 2, None)),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel")
def test_the_real_padding_is_told(part: nn.Module, size_hw: tuple[int, int], window: Window) -> None:
    assert told(part, *size_hw) == window


@pytest.mark.parametrize(
    ("part", "size_hw"),
    [
        (nn.Conv2d(2, 2, (3, 5)), (8, 8)),
        (nn.Conv2d(2, 2, 3, stride=(1, 2)), (8, 8)),
        (nn.Conv2d(2, 2, 3, padding=(1, 0)), (8, 8)),
        (nn.MaxPool2d(2, ceil_mode=True), (9, 9)),
        (Conv2dStaticSamePadding(2, 2, 3, stride=2, image_size=224), (9, 9)),
        (nn.ConvTranspose2d(2, 2, 2, stride=2), (8, 8)),
        (nn.ReLU(), (8, 8)),
    ],
)
def test_nothing_is_told_where_the_formula_does_not_hold(part: nn.Module, size_hw: tuple[int, int]) -> None:
    assert told(part, *size_hw) is None


def test_the_formula_holds_for_all_sizes() -> None:
    for edge, stride, dilation, padding in itertools.product((1, 2, 3, 5), (1, 2, 3), (1, 2), (0, 1, "in")):
        kept = {"stride": stride, "dilation": dilation}
        for height, width in itertools.product((11, 12, 16), repeat=2):
            if padding == "in":
                parts: list[nn.Module] = [
                    Conv2dSame(2, 2, edge, **kept),
                    Conv2dStaticSamePadding(2, 2, edge, image_size=(12, 13), **kept),
                ]
            else:
                parts = [nn.Conv2d(2, 2, edge, padding=padding, **kept)]  # type: ignore[arg-type]
            for part in parts:
                with torch.device("meta"):
                    made = tuple(part.to("meta")(torch.empty(1, 2, height, width)).shape[2:])
                window = window_of(part, (height, width), made)
                assert window or isinstance(part, Conv2dStaticSamePadding)
                for before, after in zip((height, width), made, strict=True) if window else ():
                    span, step, rim = window or (0, 0, 0)
                    assert (span, step) == (dilation * (edge - 1) + 1, stride)
                    said = -(-before // step) if rim is None else output_px(before, span, step, rim)
                    assert said == after


def test_no_window_without_a_grid() -> None:
    assert window_of(nn.Conv2d(2, 2, 3), (), (2, 2)) is None
