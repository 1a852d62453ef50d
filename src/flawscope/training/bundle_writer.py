"""From a trained network to a bundle: ONNX graph, weights, manifest, and the parity gate before anything is
kept.

The gate runs the exported graph and the trained network over images of the data through the one
preprocessing and the very tiles of inspection. If their probabilities differ by more than 1e-4 anywhere, no
bundle is written.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import nn

import flawscope
from flawscope.bundle import Bundle, write_bundle_folder
from flawscope.errors import BundleError, ParityError, UsageError
from flawscope.inspection.labels import label_probabilities
from flawscope.inspection.preprocess import resize_for
from flawscope.inspection.runtimes import OnnxRuntime, Runtime, TorchRuntime
from flawscope.inspection.seams import measure_seam_difference
from flawscope.inspection.tiles import predict_probability
from flawscope.manifest import Chosen, ClassSpec, InputSpec, Manifest, NetworkSpec, StageSpec
from flawscope.models.build import stride_multiple
from flawscope.training.onnx_export import export_classifier, export_onnx
from flawscope.training.pictures import image_size_hw
from flawscope.types import ClassInfo, FloatArray, RgbImage, Task

PARITY_LIMIT = 1e-4
"""Largest difference in probability between the exported and the trained network."""

_PARITY_IMAGES = 8
_PARITY_EDGE_PX = 1024
_SEAM_IMAGES = 3
_ONNX, _WEIGHTS, _CARD = "model.onnx", "weights.safetensors", "card.md"


def write_bundle(
    network: nn.Module,
    *,
    network_name: str,
    network_options: Mapping[str, Any],
    classes: Sequence[ClassInfo],
    input_spec: InputSpec,
    out: str | os.PathLike[str],
    parity_images: Sequence[RgbImage],
    parity_data: str = "",
    thresholds: Mapping[str, Chosen | float] | None = None,
    min_area_px: Mapping[str, Chosen | float] | None = None,
    presence_px: Mapping[str, Chosen | float] | None = None,
    metrics: Mapping[str, Any] | None = None,
    fingerprint: Mapping[str, Any] | None = None,
    licence: str = "",
    origin: str = "",
    name: str = "",
    multi_label: bool = False,
    working_scales: Sequence[float] = (1.0,),
    width_range_px: tuple[float, float] | None = None,
    card: str = "",
    task: Task = "segmentation",
) -> Bundle:
    """Export, check and write; returns the bundle loaded back from ``out``. Nothing is written unless all is
    well.

    ``parity_images``: pictures H x W x 3 uint8, real ones where there are any, at least one; up to 8 are
    compared, cut to 1,024 px where pixels are marked. ``parity_data`` says which they are.
    ``thresholds`` and areas: class name to a number, or to a :class:`Chosen` that says how it was found.
    ``card``: text of the model card. The network itself is left as it was.

    Raises ParityError when the export disagrees with the network, UsageError without images, OutputError when
    ``out`` cannot be written.
    """
    if not len(parity_images):
        raise UsageError("A bundle needs at least one real image for the parity gate; none was given.")
    twin = copy.deepcopy(network).to("cpu", torch.float32).eval()
    exported = _export(twin, input_spec, parity_images, len(classes), task)
    manifest = Manifest(
        name=name,
        task=task,
        classes=tuple(ClassSpec(id=c.id, name=c.name, colour=c.colour, kind=c.kind) for c in classes),
        input=exported.spec,
        stages=(
            StageSpec(
                role="classify" if task == "classification" else "segment",
                network=NetworkSpec(name=network_name, options=_plain(network_options)),
                files={"onnx": _ONNX, "weights": _WEIGHTS},
            ),
        ),
        thresholds=_chosen(thresholds),
        min_area_px=_chosen(min_area_px),
        presence_px=_chosen(presence_px),
        multi_label=multi_label,
        working_scales=tuple(working_scales),
        width_range_px=width_range_px,
        seam_difference=exported.seam,
        parity_difference=exported.parity,
        differences_data=parity_data,
        metrics=_plain(metrics or {}),
        fingerprint=_plain(fingerprint or {}),
        flawscope_version=getattr(flawscope, "__version__", ""),
        licence=licence,
        origin=origin,
    )
    files: dict[str, bytes | Path] = {_ONNX: exported.graph, _WEIGHTS: _weights(twin)}
    if card:
        files[_CARD] = card.encode()
    return write_bundle_folder(out, manifest, files)


@dataclass(frozen=True, slots=True)
class _Exported:
    """A graph that has passed the gate."""

    graph: bytes
    spec: InputSpec
    parity: float
    seam: float | None = None


def _export(
    network: nn.Module, spec: InputSpec, images: Sequence[RgbImage], classes: int, task: Task
) -> _Exported:
    if task == "classification":
        graph = export_classifier(network, spec.channel_count, image_size_hw(spec))
        parity = check_label_parity(TorchRuntime(network), OnnxRuntime(graph), images, spec, classes)
        return _Exported(graph, spec, parity)
    spec = _with_stride(spec, stride_multiple(network))
    graph = export_onnx(network, spec.channel_count, spec.stride_multiple)
    runtime = OnnxRuntime(graph)
    pictures = [image[:_PARITY_EDGE_PX, :_PARITY_EDGE_PX] for image in images[:_PARITY_IMAGES]]
    parity = check_parity(TorchRuntime(network), runtime, pictures, spec, classes)
    seam = measure_seam_difference(runtime, images[:_SEAM_IMAGES], spec, classes)
    return _Exported(graph, spec, parity, seam)


def check_label_parity(
    trained: Runtime, exported: Runtime, images: Sequence[RgbImage], spec: InputSpec, classes: int
) -> float:
    """As `check_parity`, of the probabilities of whole images."""
    some = images[:_PARITY_IMAGES]
    expected = label_probabilities(some, trained, spec, classes)
    # One by one: the graph must not have grown fast to the batch of its trace.
    try:
        found = np.concatenate([label_probabilities([image], exported, spec, classes) for image in some])
    except BundleError as error:
        raise _not_run(error) from error
    difference = np.abs(expected - found)
    _check_difference(difference, exported.name)
    return float(difference.max())


def check_parity(
    trained: Runtime, exported: Runtime, images: Sequence[RgbImage], spec: InputSpec, classes: int
) -> float:
    """Largest probability difference over the images; ParityError above ``PARITY_LIMIT`` or where it is no
    number."""
    largest = 0.0
    for image in images:
        picture = resize_for(image, spec)
        expected = predict_probability(picture, trained, spec, classes)
        try:
            found = predict_probability(picture, exported, spec, classes)
        except BundleError as error:
            raise _not_run(error) from error
        difference = np.abs(expected - found)
        _check_difference(difference, exported.name)
        largest = max(largest, float(difference.max()))
    return largest


def _not_run(error: BundleError) -> ParityError:
    return ParityError(f"{error}\nNo bundle was written.")


def _check_difference(difference: FloatArray, name: str) -> None:
    if not float(difference.max()) <= PARITY_LIMIT or not np.isfinite(difference).all():
        raise ParityError(
            f"The {name} export answers differently from the trained network: probabilities "
            f"differ by up to {float(difference.max()):.3g}, the limit is {PARITY_LIMIT:g}.\n"
            "No bundle was written. Use another network or exporter version."
        )


def _with_stride(spec: InputSpec, stride: int) -> InputSpec:
    """The spec with the network's own stride: tiles on another grid would not be exact."""
    if spec.stride_multiple % stride == 0:
        return spec
    values = {**spec.model_dump(), "stride_multiple": stride}
    # Twice the halo, the ramp and one step of the wider stride must still fit into a tile.
    least_px = max(spec.size_px, spec.overlap_px + stride) if spec.mode == "tile" else spec.size_px
    values["size_px"] = -(-least_px // stride) * stride
    return InputSpec(**values)


def _weights(network: nn.Module) -> bytes:
    # clone: safetensors refuses tensors that share memory
    state = {key: value.detach().contiguous().clone() for key, value in network.state_dict().items()}
    return bytes(safetensors.torch.save(state))


def _chosen(values: Mapping[str, Chosen | float] | None) -> dict[str, Chosen]:
    return {
        key: value if isinstance(value, Chosen) else Chosen(value=float(value))
        for key, value in (values or {}).items()
    }


def _plain(value: Any) -> Any:
    """Plain JSON values of tuples, paths and NumPy numbers; figures that are no number are left out."""
    if isinstance(value, Mapping):
        items = {str(key): _plain(item) for key, item in value.items()}
        return {
            key: item
            for key, item in items.items()
            if not (isinstance(item, float) and not np.isfinite(item))
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, Path) else value
