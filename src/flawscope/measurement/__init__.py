"""From mask to measured findings: components, skeletons, lengths, widths, millimetres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flawscope.measurement.findings import find, measure
    from flawscope.measurement.scale import parse_scale

__all__ = ["find", "measure", "parse_scale"]


def __getattr__(name: str) -> Any:
    if name in ("find", "measure"):
        from flawscope.measurement import findings

        return getattr(findings, name)
    if name == "parse_scale":
        from flawscope.measurement import scale

        return scale.parse_scale
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
