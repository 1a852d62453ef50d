"""flawscope finds, measures and grades cracks and surface defects in photographs.

The names of ``__all__`` are the public API. Each is imported when it is first used, so that importing
flawscope costs nothing and works where training's packages are not installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flawscope.bundle import Bundle
    from flawscope.data.dataset import Dataset
    from flawscope.data.open import open_dataset
    from flawscope.data.split import split
    from flawscope.data.split_file import Split
    from flawscope.data.synthetic import synthesize
    from flawscope.errors import FlawscopeError
    from flawscope.evaluation.evaluate import Metrics, evaluate
    from flawscope.evaluation.thresholds import choose_threshold
    from flawscope.images.rle import decode_rle, encode_rle
    from flawscope.inspection.inspector import Inspector
    from flawscope.measurement import measure
    from flawscope.training.run import Run, train
    from flawscope.types import Finding, Inspection, Prediction, Sample, Scale

__version__ = "0.1.0"

_HOMES = {
    "Bundle": "bundle",
    "Dataset": "data.dataset",
    "Finding": "types",
    "FlawscopeError": "errors",
    "Inspection": "types",
    "Inspector": "inspection.inspector",
    "Metrics": "evaluation.evaluate",
    "Prediction": "types",
    "Run": "training.run",
    "Sample": "types",
    "Scale": "types",
    "Split": "data.split_file",
    "choose_threshold": "evaluation.thresholds",
    "decode_rle": "images.rle",
    "encode_rle": "images.rle",
    "evaluate": "evaluation.evaluate",
    "measure": "measurement",
    "open_dataset": "data.open",
    "split": "data.split",
    "synthesize": "data.synthetic",
    "train": "training.run",
}
"""Public name -> the module it lives in."""

_TORCH = (
    "torch",
    "torchvision",
    "accelerate",
    "safetensors",
    "segmentation_models_pytorch",
    "timm",
    "cv2",
    "onnx",
)

__all__ = [
    "Bundle",
    "Dataset",
    "Finding",
    "FlawscopeError",
    "Inspection",
    "Inspector",
    "Metrics",
    "Prediction",
    "Run",
    "Sample",
    "Scale",
    "Split",
    "choose_threshold",
    "decode_rle",
    "encode_rle",
    "evaluate",
    "measure",
    "open_dataset",
    "split",
    "synthesize",
    "train",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _TORCH:
            raise
        from flawscope.errors import MissingExtraError

        raise MissingExtraError(f"flawscope.{name}", "train") from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
