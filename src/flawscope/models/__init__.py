"""Pure networks: no losses, no loaders, no devices. Needs the ``train`` extra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flawscope.models.build import MODELS, build_model

__all__ = ["MODELS", "build_model"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from flawscope.models import build
    except ImportError as error:
        from flawscope.errors import MissingExtraError

        raise MissingExtraError("building networks", "train") from error
    return getattr(build, name)
