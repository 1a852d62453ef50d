"""The gate of a bundle: one look at the whole image that says whether the other stages are worth their
time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flawscope.bundle import Bundle, write_bundle_folder
from flawscope.errors import UsageError
from flawscope.inspection.bands import RowSource
from flawscope.inspection.labels import chosen_classes, label_probabilities
from flawscope.inspection.preprocess import network_size_hw
from flawscope.inspection.resample import shrink_source
from flawscope.inspection.runtimes import Runtime, make_runtime
from flawscope.manifest import Chosen, ClassSpec, InputSpec, Manifest, StageSpec
from flawscope.types import ClassInfo, FloatArray, Prediction, RgbImage, Scores

HALF = 0.5
"""Threshold of a gate that names none."""

_FOLDER = "gate"


@dataclass(frozen=True, eq=False)
class Gate:
    """A gate that can be run."""

    runtime: Runtime
    spec: InputSpec
    threshold: float

    def scores(self, images: Iterable[RgbImage], *, flip_tta: bool = False) -> FloatArray:
        """Probability of a defect, N float32, of images H x W x 3 uint8 RGB of any sizes."""
        return label_probabilities(images, self.runtime, self.spec, 1, flip_tta=flip_tta)[:, 0]

    def score(self, source: RowSource, *, flip_tta: bool = False) -> float:
        """Probability of a defect in a picture that is read in bands."""
        picture = shrink_source(source, network_size_hw(source.size_hw, self.spec))
        return float(self.scores([picture], flip_tta=flip_tta)[0])


@dataclass(frozen=True, eq=False)
class Gates:
    """The gates of an ensemble's bundles."""

    gates: tuple[Gate, ...]
    threshold: float
    """Probability of a defect below which an image is spared; the mean of the bundles' own."""

    def score(self, source: RowSource, *, flip_tta: bool = False) -> float:
        """Mean probability of a defect in a picture that is read in bands."""
        return float(np.mean([gate.score(source, flip_tta=flip_tta) for gate in self.gates]))


def load_gates(
    bundles: Sequence[Bundle],
    runtime: str = "auto",
    threads: int | None = None,
    threshold: float | None = None,
) -> Gates | None:
    """The gates of the bundles; None where not each has one. ``threshold`` takes the place of their own.

    Raises UsageError for a threshold without a gate or outside 0..1, and as :func:`make_runtime`.
    """
    found = [load_gate(bundle, runtime, threads) for bundle in bundles]
    gates = tuple(gate for gate in found if gate is not None)
    if threshold is not None and len(gates) < len(bundles):
        raise UsageError(f"{bundles[0].source} holds no gate, so there is no threshold of it to set.")
    if threshold is not None and not 0.0 <= threshold <= 1.0:
        raise UsageError(f"The threshold of the gate is {threshold}; expected 0 to 1.")
    if len(gates) < len(bundles):
        return None
    own = float(np.mean([gate.threshold for gate in gates]))
    return Gates(gates, own if threshold is None else threshold)


def nothing_found(size_hw: tuple[int, int], class_ids: tuple[int, ...], overlapping: bool) -> Prediction:
    """What is said of an image that the gate spares: probability 0 everywhere."""
    shape = (len(class_ids), *size_hw)
    stack = np.zeros(shape, dtype=np.bool_) if overlapping else None
    return Prediction(np.zeros(size_hw, np.uint8), np.zeros(shape, np.float32), class_ids, stack)


def load_gate(bundle: Bundle, runtime: str = "auto", threads: int | None = None) -> Gate | None:
    """The gate of a bundle; None where it has none. Raises as :func:`make_runtime`."""
    stage = gate_stage(bundle.manifest)
    if stage is None or stage.input is None:
        return None
    value = HALF if stage.threshold is None else stage.threshold.value
    return Gate(make_runtime(bundle, stage, runtime, threads), stage.input, value)


def without_gate(bundle: Bundle) -> Bundle:
    """The bundle as if it held no gate; its files stay where they are, with the bundle that was given."""
    stages = tuple(stage for stage in bundle.manifest.stages if stage.role != "gate")
    manifest = bundle.manifest.model_copy(update={"stages": stages})
    return Bundle(bundle.root, manifest, bundle.source)


def gate_stage(manifest: Manifest) -> StageSpec | None:
    """The stage of role ``gate``, if there is one."""
    return next((stage for stage in manifest.stages if stage.role == "gate"), None)


def joint_scores(gate: FloatArray, classes: FloatArray) -> npt.NDArray[np.float64]:
    """Probabilities of clean and of each class, N x (1 + K), from both steps: 1 - g, and g times the class's.

    ``gate``: N probabilities of a defect; ``classes``: N x K, for an image that has one. Where those of an
    image sum to 1 (softmax), so do both together. In float64, from which :func:`chosen_in_two_steps` gets
    both back: next to 1 float32 cannot tell what a sure gate says of images near its threshold.
    """
    defect = gate[:, None].astype(np.float64)
    return np.concatenate([1.0 - defect, defect * classes], axis=1)


def chosen_in_two_steps(
    scores: Scores,
    spec: InputSpec,
    classes: Sequence[ClassInfo],
    thresholds: Mapping[str, float],
    gate_threshold: float,
) -> list[int]:
    """Places of the classes that an image's joint probabilities stand for, the most probable first.

    Clean (place 0) below the gate's threshold. Else what the second step names: the most probable class for
    softmax; for sigmoid all at or above their threshold, at least one, for the gate has seen a defect.
    """
    defect = 1.0 - float(scores[0])
    if defect < gate_threshold:
        return [0]
    second = np.asarray(scores[1:] / max(defect, 1e-300), dtype=np.float32)
    named = chosen_classes(second, spec, classes[1:], thresholds) or [int(np.argmax(second))]
    return [1 + place for place in named]


def with_gate(
    bundle: Bundle,
    gate: Bundle,
    threshold: Chosen,
    out: str | os.PathLike[str],
    clean: ClassSpec | None = None,
    name: str = "",
) -> Bundle:
    """Write ``bundle`` with a gate before its network to ``out``, and return it loaded.

    ``gate`` labels images and has one class, a defect, with a sigmoid head. ``clean``: the class of what it
    spares, needed where ``bundle`` labels images too. A gate that ``bundle`` has already is replaced.
    Promises about misses do not survive: a gate may miss what the network behind it would have found.
    Raises UsageError, OutputError.
    """
    stage = as_gate(gate, threshold)
    manifest = bundle.manifest
    if manifest.task == "classification" and clean is None and not manifest.two_step:
        raise UsageError(f"{bundle.source} labels images: a gate before it needs the class of clean ones.")
    others = tuple(one for one in manifest.stages if one.role != "gate")
    kept = {name for name in manifest.sha256 if not name.startswith(f"{_FOLDER}/")}
    files: dict[str, bytes | Path] = {name: bundle.root / name for name in kept}
    for inner in gate.manifest.stages[0].files.values():
        files[f"{_FOLDER}/{inner}"] = gate.root / inner
    made = manifest.model_copy(
        update={
            "stages": (stage, *others),
            "classes": manifest.classes if clean is None else (clean, *manifest.classes),
            "promises": {},
            "name": name or manifest.name,
        }
    )
    # model_copy checks nothing.
    return write_bundle_folder(out, Manifest.model_validate(made.model_dump(by_alias=True)), files)


def as_gate(gate: Bundle, threshold: Chosen) -> StageSpec:
    """The stage that a trained gate becomes in another bundle. Raises UsageError for what is no gate."""
    manifest = gate.manifest
    if manifest.task != "classification" or len(manifest.stages) != 1 or len(manifest.classes) != 1:
        raise UsageError(
            f"{gate.source} is no gate: a gate labels images and has one class, a defect.\n"
            "Train one with: flawscope train two-step --set two_step.steps=gate --data DATASET --out RUN"
        )
    stage = manifest.stages[0]
    return StageSpec(
        role="gate",
        network=stage.network,
        files={role: f"{_FOLDER}/{name}" for role, name in stage.files.items()},
        input=manifest.input,
        threshold=threshold,
    )


def set_gate_threshold(manifest: Manifest, threshold: Chosen) -> Manifest:
    """The manifest with another threshold of its gate, and without promises, which held for the old one."""
    stages = tuple(
        stage.model_copy(update={"threshold": threshold}) if stage.role == "gate" else stage
        for stage in manifest.stages
    )
    return manifest.model_copy(update={"stages": stages, "promises": {}})
