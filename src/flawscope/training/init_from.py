"""``--init``: a bundle's weights as the starting point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from flawscope.bundle import Bundle
from flawscope.errors import BundleError, ConfigError
from flawscope.training.config import TrainConfig
from flawscope.types import ClassInfo


def load_initial(
    network: nn.Module, bundle_path: str | Path, config: TrainConfig, classes: Sequence[ClassInfo]
) -> None:
    """Put the weights of a bundle's stage for the same task into ``network``, every one of them.

    Raises BundleError when the bundle holds no weights, ConfigError when they belong to another network.
    """
    with Bundle.load(bundle_path) as bundle:
        stage = bundle.stage("classify" if config.task == "classification" else "segment")
        path = bundle.file(stage, "weights")
        if path is None:
            raise BundleError(
                f"{bundle_path} holds no weights to start from, only: {', '.join(stage.files)}.\n"
                "Use a bundle written by `flawscope train`."
            )
        try:
            weights = load_file(path)
        except (OSError, SafetensorError) as error:
            raise BundleError(f"The weights of {bundle_path} cannot be read: {error}") from error
        theirs = f"{stage.network.name} with {stage.network.options}, classes " + ", ".join(
            info.name for info in bundle.classes
        )
    differences = compare(network.state_dict(), weights)
    if differences:
        shown = "; ".join(differences[:3]) + (
            f"; and {len(differences) - 3} more" if len(differences) > 3 else ""
        )
        raise ConfigError(
            f"The weights of {bundle_path} do not fit the configured network: {shown}.\n"
            f"They belong to {theirs}; configured is {config.model.name} with {config.model.options}, "
            "classes " + ", ".join(info.name for info in classes) + "."
        )
    network.load_state_dict(weights)


def compare(wanted: dict[str, Tensor], found: dict[str, Tensor]) -> list[str]:
    """Return what differs in names and shapes, in words."""
    missing = [f"{name} is missing" for name in wanted if name not in found]
    extra = [f"{name} is not known" for name in found if name not in wanted]
    other = [
        f"{name} has shape {list(found[name].shape)}, expected {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in found and found[name].shape != tensor.shape
    ]
    return other + missing + extra
