"""``--init``: a bundle's weights as the starting point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from flawscope.bundle import Bundle
from flawscope.data.mask_labels import DEFECT
from flawscope.errors import BundleError, ConfigError
from flawscope.inspection.gate import gate_stage
from flawscope.manifest import StageSpec
from flawscope.training.config import TrainConfig
from flawscope.training.session import build_network
from flawscope.types import ClassInfo


def load_initial(
    network: nn.Module, bundle_path: str | Path, config: TrainConfig, classes: Sequence[ClassInfo]
) -> None:
    """Put the weights of a bundle's stage for the same work into ``network``, every one of them.

    What tells only defects from clean takes the bundle's gate, where it has one. Raises BundleError when the
    bundle holds no weights, ConfigError when they belong to another network.
    """
    with Bundle.load(bundle_path) as bundle:
        stage = _stage_for(bundle, config, classes)
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
            "classes " + ", ".join(info.name for info in classes) + ". "
            "Configure that network and as many classes, or leave --init out."
        )
    network.load_state_dict(weights)


def check_initial(config: TrainConfig, classes: Sequence[ClassInfo]) -> None:
    """Raise what `load_initial` will raise for ``train.init``, before anything is written."""
    if config.train.init:
        options = {key: value for key, value in config.model.options.items() if key != "encoder_weights"}
        model = config.model.model_copy(update={"options": options})
        network = build_network(config.model_copy(update={"model": model}), classes)
        load_initial(network, config.train.init, config, classes)


def _stage_for(bundle: Bundle, config: TrainConfig, classes: Sequence[ClassInfo]) -> StageSpec:
    if config.task != "classification":
        return bundle.stage("segment")
    gate = gate_stage(bundle.manifest) if [info.name for info in classes] == [DEFECT.name] else None
    return gate or bundle.stage("classify")


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
