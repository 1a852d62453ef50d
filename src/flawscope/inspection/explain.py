"""What a network looks at: the openings of its attention gates, on the photograph.

Needs torch, which is loaded when an explainer is made and not before: the gates lie inside the network, where
an exported graph tells nothing. The picture goes through the preprocessing and the tiles of every inspection.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from flawscope.bundle import Bundle
from flawscope.errors import MissingExtraError, UsageError
from flawscope.inspection.bands import RowSource
from flawscope.inspection.explain_labels import PANEL_PX, LabelExplainer
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.preprocess import scaled_size_hw
from flawscope.inspection.resample import shrink_source
from flawscope.inspection.runtimes import TorchRuntime, make_runtime
from flawscope.inspection.tiles import Network, predict_bands
from flawscope.manifest import InputSpec
from flawscope.reporting.attention import draw_attention
from flawscope.types import FloatArray, RgbImage

__all__ = ["PANEL_PX", "Drawer", "Explainer", "make_explainer"]

_EDGE = 1e-6


class Drawer(Protocol):
    """Draws what a network looks at."""

    def draw(self, source: RowSource) -> RgbImage:
        """A picture of panels over the photograph made small, H x W x 3 uint8 RGB."""
        ...


def make_explainer(
    bundle: Bundle,
    threads: int | None = None,
    *,
    thresholds: Mapping[str, float] | None = None,
    gate_threshold: float | None = None,
) -> Drawer:
    """Grad-CAM for a bundle that labels images, gates for one that marks pixels. Raises as those two.

    ``thresholds`` (by class name) and ``gate_threshold``, where given, say which labels are explained.
    """
    if bundle.manifest.task == "classification":
        return LabelExplainer(bundle, threads, thresholds=thresholds, gate_threshold=gate_threshold)
    return Explainer(bundle, threads)


class _GateRuntime:
    """Runs a network and answers with the openings of its gates, as logits N x gates x H x W."""

    name = "gates"

    def __init__(self, runtime: TorchRuntime, attention: Any) -> None:
        self.threads = runtime.threads
        self._torch: Any = importlib.import_module("torch")
        self._maps = attention.attention_maps
        self._module = runtime.module

    def maps(self, batch: FloatArray) -> dict[str, FloatArray]:
        """Name of the gate -> N x H x W float32 in 0..1."""
        device = next(iter(self._module.parameters())).device
        image = self._torch.from_numpy(np.ascontiguousarray(batch)).to(device)
        found = self._maps(self._module, image)
        return {name: np.asarray(one.cpu().numpy(), dtype=np.float32) for name, one in found.items()}

    def run(self, batch: FloatArray) -> FloatArray:
        """Logits of the openings, so that the activation of inspection gives the openings back."""
        stack = np.clip(np.stack(list(self.maps(batch).values()), axis=1), _EDGE, 1 - _EDGE)
        return np.asarray(np.log(stack / (1 - stack)), dtype=np.float32)


class Explainer:
    """Draws what the gates of a bundle's network let through."""

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        """Load the network as it was trained.

        Raises MissingExtraError without the extra ``train``, UsageError for a network without gates, and
        BundleError when the bundle does not hold its weights.
        """
        try:
            attention: Any = importlib.import_module("flawscope.models.attention_unet")
        except ImportError as error:
            raise MissingExtraError("--explain", "train") from error
        runtime = make_runtime(bundle, bundle.stage("segment"), "torch", threads)
        if not isinstance(runtime, TorchRuntime) or not attention.has_gates(runtime.module):
            raise UsageError(
                f"The network of {bundle.source} has no attention gates, which --explain draws.\n"
                f"Expected a bundle of {', '.join(attention.KINDS)}; or leave --explain out."
            )
        self._gates = _GateRuntime(runtime, attention)
        # Gates open each by itself, whatever becomes of the logits.
        self._spec: InputSpec = bundle.manifest.input.model_copy(update={"activation": "sigmoid"})
        edge = self._spec.stride_multiple
        probe = np.zeros((1, self._spec.channel_count, edge, edge), dtype=np.float32)
        self.gates: tuple[str, ...] = tuple(self._gates.maps(probe))
        """Names of the gates, in the order in which they are passed."""

    def maps(self, source: RowSource, size_hw: tuple[int, int]) -> dict[str, FloatArray]:
        """Name of the gate -> its opening, h x w float32 in 0..1: means over the photograph's pixels.

        ``size_hw`` is at most the photograph's size. The photograph is read in bands; memory is one value a
        gate and a pixel of ``size_hw``.
        """
        height, width = source.size_hw
        rows = np.arange(height) * size_hw[0] // height
        starts = np.searchsorted(np.arange(width) * size_hw[1] // width, np.arange(size_hw[1]))
        total = np.zeros((len(self.gates), *size_hw), dtype=np.float64)
        network = Network(self._gates, self._spec, len(self.gates))
        for y0, y1, band in predict_bands(source, network, PredictOptions(), (1.0,)):
            narrow = np.add.reduceat(band, starts, axis=2, dtype=np.float64)
            reached, first = np.unique(rows[y0:y1], return_index=True)
            total[:, reached] += np.add.reduceat(narrow, first, axis=1)
        counts = np.outer(np.bincount(rows), np.diff([*starts, width]))
        return dict(zip(self.gates, (total / counts).astype(np.float32), strict=True))

    def draw(self, source: RowSource) -> RgbImage:
        """A picture of panels, one a gate, over the photograph made small."""
        height, width = source.size_hw
        factor = min(1.0, PANEL_PX / max(height, width))
        whole = factor == 1.0
        size_hw = scaled_size_hw((height, width), factor)
        picture = source.read(0, height) if whole else shrink_source(source, size_hw)
        return draw_attention(picture, self.maps(source, size_hw))
