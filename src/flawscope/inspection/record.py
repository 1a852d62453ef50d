"""``run.json``: with what, how and on what a run was made, so that anybody can make it again."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import flawscope
from flawscope.inspection.gate import gate_stage
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.promises import promise_records
from flawscope.inspection.widths import width_errors_of
from flawscope.types import Inspection, Scale

_PACKAGES = ("numpy", "scipy", "scikit-image", "pillow", "onnxruntime", "openvino", "torch")


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """A finished run."""

    inspector: Inspector
    inspections: Sequence[Inspection]
    scale: Scale | None
    formats: tuple[str, ...]
    skipped: int
    resumed: int
    seconds: float
    notes: tuple[str, ...] = ()
    """What the user should know of the run as a whole."""

    def to_json(self) -> dict[str, Any]:
        """The content of ``run.json``."""
        done = [item for item in self.inspections if item.status == "ok"]
        pixels = sum(item.size_hw[0] * item.size_hw[1] for item in done)
        busy = sum(item.seconds for item in done)
        scales = [item.scale for item in done if item.scale is not None]
        return {
            "schema": 1,
            "flawscope_version": flawscope.__version__,
            "settings": {
                **settings_of(self.inspector, self.scale),
                "formats": list(self.formats),
                "threads": self.inspector.threads,
            },
            "models": [
                {
                    "name": bundle.manifest.name,
                    "path": str(bundle.source),
                    "sha256": bundle.digest,
                    "licence": bundle.manifest.licence,
                    "origin": bundle.manifest.origin,
                }
                for bundle in self.inspector.bundles
            ],
            "promises": promise_records(self.inspector),
            "scale": None
            if not scales
            else {
                "mm_per_px": sorted({item.mm_per_px for item in scales}),
                "source": sorted({item.source for item in scales}),
            },
            "versions": _versions(),
            "counts": {
                "images": len(self.inspections),
                "ok": len(done),
                "failed": len(self.inspections) - len(done),
                "defective": sum(item.verdict == "defect" for item in done),
                "findings": sum(len(item.findings) for item in done),
                "skipped_files": self.skipped,
                "resumed": self.resumed,
            },
            "notes": list(self.notes),
            "gate": _gate_facts(self.inspector, done),
            "width_errors": _width_facts(self.inspector),
            "rates": {
                "seconds": round(self.seconds, 3),
                "images_per_second": round(len(done) / busy, 4) if busy else None,
                "megapixels_per_second": round(pixels / 1e6 / busy, 4) if busy else None,
            },
        }


def settings_of(inspector: Inspector, scale: Scale | None) -> dict[str, Any]:
    """All that decides about the results, as plain JSON: also the fingerprint that ``--resume`` compares."""
    return {
        "models": [bundle.digest for bundle in inspector.bundles],
        "runtime": inspector.runtime_name,
        "thresholds": dict(inspector.thresholds),
        "min_area_px": dict(inspector.min_area_px),
        **({} if inspector.gate_threshold is None else {"gate_threshold": inspector.gate_threshold}),
        "flip_tta": inspector.options.flip_tta,
        "working_scale": inspector.options.scales
        if isinstance(inspector.options.scales, str)
        else list(inspector.options.scales),
        "fusion": inspector.options.fusion,
        "scale": None if scale is None else asdict(scale),
    }


def _width_facts(inspector: Inspector) -> dict[str, Any]:
    """What is taken off the widths of each class; nothing where the model says nothing of it."""
    told = inspector.bundle.manifest.width_errors
    return {
        name: {"network_bias_px": round(error.bias_px, 3), "rule": told[name].rule, "data": told[name].data}
        for name, error in width_errors_of(inspector.bundles, inspector.thresholds).items()
    }


def _gate_facts(inspector: Inspector, done: Sequence[Inspection]) -> dict[str, Any] | None:
    """What the gate decided; None where the model has none. Spared images cost their gate's time only."""
    if inspector.gate_threshold is None:
        return None
    stage = gate_stage(inspector.bundle.manifest)
    chosen = None if stage is None else stage.threshold
    own = chosen is not None and chosen.value == inspector.gate_threshold
    return {
        "threshold": inspector.gate_threshold,
        "rule": chosen.rule if own and chosen is not None else "given for this run",
        "data": chosen.data if own and chosen is not None else "",
        "images": sum(item.gate_score is not None for item in done),
        "clean": sum((item.gate_score or 0.0) < inspector.gate_threshold for item in done),
        "spared": sum(item.spared for item in done),
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
