"""Edge, stride and padding of convolutions and poolings, such that the formula of output sizes holds.

Along a side of N: floor((N + 2P - F) / S) + 1 outputs. Some libraries pad as TensorFlow's "same" does, by
what it takes to come to ceil(N / S), on the right and below by one more where that is odd.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from flawscope.models.classic_parts import output_px

Window = tuple[int, int, int | None]
"""Edge F, stride S and padding P. F is what a dilated kernel spans. P is None where no one number says it,
and there are ceil(N / S) outputs."""


def window_of(part: nn.Module, in_hw: Sequence[int], out_hw: Sequence[int]) -> Window | None:
    """The window of a convolution or pooling that made ``out_hw`` of ``in_hw``, in px.

    None for other modules, where rows and columns differ, and where the formula does not give ``out_hw``.
    """
    if not isinstance(part, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) or len(in_hw) != 2 or len(out_hw) != 2:
        return None
    edge, stride = _one(part.kernel_size), _one(part.stride)
    dilation = 1 if isinstance(part, nn.AvgPool2d) else _one(part.dilation)
    if edge is None or stride is None or dilation is None:
        return None
    span = dilation * (edge - 1) + 1
    rim = _rim(part, span)
    if len(set(rim)) == 1 and all(
        output_px(before, span, stride, rim[0]) == after for before, after in zip(in_hw, out_hw, strict=True)
    ):
        return span, stride, rim[0]
    rounded_up = getattr(part, "ceil_mode", False)
    if rounded_up or any(-(-a // stride) != b for a, b in zip(in_hw, out_hw, strict=True)):
        return None
    # No padding is said, yet there was some: the module pads by its input, with what is missing.
    missing = {max((b - 1) * stride + span - a, 0) for a, b in zip(in_hw, out_hw, strict=True)}
    even = len(missing) == 1 and min(missing) % 2 == 0 and not any(rim)
    return span, stride, min(missing) // 2 if even else None


def _rim(part: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d, span: int) -> tuple[int, ...]:
    """Padding left, right, above and below: the module's own, and that of a padding module in it."""
    said = part.padding
    if isinstance(said, str):
        total = span - 1 if said == "same" else 0
        rim = [total // 2, total - total // 2] * 2
    else:
        rows, columns = (said, said) if isinstance(said, int) else said
        rim = [columns, columns, rows, rows]
    for child in part.children():
        if isinstance(child, nn.ZeroPad2d):
            rim = [a + b for a, b in zip(rim, child.padding, strict=True)]
    return tuple(rim)


def _one(value: int | Sequence[int]) -> int | None:
    """The number that holds for rows and columns, if there is one."""
    numbers = {value} if isinstance(value, int) else set(value)
    return numbers.pop() if len(numbers) == 1 else None
