"""What a classifier looks at: Grad-CAM maps of the classes that it names, on the photograph.

Needs torch, which is loaded when an explainer is made and not before: gradients need the trained network.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flawscope.bundle import Bundle
from flawscope.errors import MissingExtraError
from flawscope.inspection.bands import RowSource
from flawscope.inspection.gate import HALF, gate_stage
from flawscope.inspection.labels import activate_labels, chosen_classes
from flawscope.inspection.preprocess import network_size_hw, preprocess, scaled_size_hw
from flawscope.inspection.resample import restore, shrink_source
from flawscope.inspection.runtimes import TorchRuntime, make_runtime
from flawscope.manifest import InputSpec, StageSpec
from flawscope.reporting.attention import draw_maps
from flawscope.types import ClassInfo, FloatArray, RgbImage

PANEL_PX = 640
"""Longest side of one panel."""

DEFECT = ClassInfo(1, "a defect", kind="image")
"""What a gate answers for."""

_MOST_CLASSES = 4


@dataclass(frozen=True, eq=False)
class _Step:
    """One classifying network of the bundle."""

    runtime: TorchRuntime
    spec: InputSpec
    classes: tuple[ClassInfo, ...]
    thresholds: Mapping[str, float]


class LabelExplainer:
    """Draws where a classifier sees the classes that it names."""

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        *,
        thresholds: Mapping[str, float] | None = None,
        gate_threshold: float | None = None,
    ) -> None:
        """Load the network as it was trained.

        ``thresholds`` (by class name) and ``gate_threshold`` replace the bundle's own, as an inspector's do.

        Raises MissingExtraError without the extra ``train``, and BundleError when the bundle does not hold
        the network's weights.
        """
        try:
            self._torch: Any = importlib.import_module("torch")
            self._grad_cam: Any = importlib.import_module("flawscope.models.grad_cam").grad_cam
        except ImportError as error:
            raise MissingExtraError("--explain", "train") from error
        steps = []
        gate, classes = gate_stage(bundle.manifest), bundle.classes
        if gate is not None and gate.input is not None:
            own = HALF if gate.threshold is None else gate.threshold.value
            cut = own if gate_threshold is None else gate_threshold
            steps.append(_Step(_runtime(bundle, gate, threads), gate.input, (DEFECT,), {DEFECT.name: cut}))
            classes = classes[1:]
        cuts = {item.name: bundle.threshold(item.name) for item in classes} | dict(thresholds or {})
        last = _runtime(bundle, bundle.stage("classify"), threads)
        steps.append(_Step(last, bundle.manifest.input, classes, cuts))
        self._steps: Sequence[_Step] = steps

    def maps(self, source: RowSource) -> dict[str, FloatArray]:
        """Class and probability -> h x w float32 in 0..1, on the network's own last grid.

        In two steps first the gate's defect, and no more where it sees none. The classes that the network
        names, or the most probable one. 1 is the place that speaks most for the class; a map is 0 everywhere
        where no place does. Raises UsageError for a network without such a grid.
        """
        found: dict[str, FloatArray] = {}
        for step in self._steps:
            maps, named = self._of_step(step, source)
            found |= maps
            if not named and len(self._steps) > 1:
                break  # the gate sees no defect: the second step has nothing to say
        return found

    def draw(self, source: RowSource) -> RgbImage:
        """A picture of panels, one a class, over the photograph made small."""
        height, width = source.size_hw
        factor = min(1.0, PANEL_PX / max(height, width))
        size_hw = scaled_size_hw((height, width), factor)
        picture = source.read(0, height) if factor == 1.0 else shrink_source(source, size_hw)
        maps = {title: restore(one[None], size_hw)[0] for title, one in self.maps(source).items()}
        return draw_maps(picture, maps)

    def _of_step(self, step: _Step, source: RowSource) -> tuple[dict[str, FloatArray], bool]:
        """Its maps, and whether it names any class."""
        picture = shrink_source(source, network_size_hw(source.size_hw, step.spec))
        batch = preprocess(picture, step.spec)[None]
        scores = activate_labels(step.runtime.run(batch), step.spec, len(step.classes))[0]
        named = chosen_classes(scores, step.spec, step.classes, step.thresholds)
        device = next(iter(step.runtime.module.parameters())).device
        image = self._torch.from_numpy(batch).to(device)
        found = {}
        for k in named[:_MOST_CLASSES] or [int(np.argmax(scores))]:
            one = self._grad_cam(step.runtime.module, image, k)[0].cpu().numpy()
            share = one / max(float(one.max()), 1e-12)
            found[f"{step.classes[k].name} {scores[k]:.2f}"] = np.asarray(share, dtype=np.float32)
        return found, bool(named)


def _runtime(bundle: Bundle, stage: StageSpec, threads: int | None) -> TorchRuntime:
    runtime = make_runtime(bundle, stage, "torch", threads)
    assert isinstance(runtime, TorchRuntime)  # asked for by name
    return runtime
