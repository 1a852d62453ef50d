"""Whether a bundle's promises about misses still hold for the way it is used now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flawscope.bundle import Bundle
from flawscope.inspection.gate import HALF, gate_stage
from flawscope.inspection.runtimes import FILE_ROLES
from flawscope.manifest import Promise

if TYPE_CHECKING:
    from flawscope.inspection.inspector import Inspector
    from flawscope.inspection.options import PredictOptions


def file_run(bundle: Bundle, runtime: str) -> str | None:
    """Name inside the bundle of the file that a runtime takes for the segmenting stage; None without one."""
    stage = bundle.stage("segment")
    return next((stage.files[role] for role in FILE_ROLES.get(runtime, ()) if role in stage.files), None)


def _own_gate(bundle: Bundle) -> float | None:
    """Threshold of the bundle's gate, under which the promise was made; None without a gate."""
    stage = gate_stage(bundle.manifest)
    if stage is None:
        return None
    return HALF if stage.threshold is None else stage.threshold.value


def reasons_void(inspector: Inspector, class_name: str, promise: Promise) -> tuple[str, ...]:
    """What is not as it was when the promise was made; empty when it holds."""
    bundle, options = inspector.bundle, inspector.options
    file = file_run(bundle, inspector.runtime_name)
    was_and_is: dict[str, tuple[Any, Any]] = {
        "threshold": (promise.threshold, inspector.thresholds[class_name]),
        "minimum area": (promise.min_area_px, inspector.min_area_px[class_name]),
        "presence": (promise.presence_px, inspector.presence_px[class_name]),
        "runtime": (promise.runtime, inspector.runtime_name),
        "file": (promise.file, file),
        "flips": (promise.flip_tta, options.flip_tta),
        "working scale": (promise.scales, options.scales),
        **_fusion(promise, options),
        "gate": (_own_gate(bundle), inspector.gate_threshold),
    }
    found = [f"{what} was {was}, is {now}" for what, (was, now) in was_and_is.items() if was != now]
    if file == promise.file and bundle.manifest.sha256.get(promise.file) != promise.sha256:
        found.append(f"{promise.file} is another file")
    if bundle.manifest.input != promise.input:
        found.append("tile or preprocessing is another")
    if len(inspector.bundles) > 1:
        found.append("several models are averaged")
    return tuple(found)


def _fusion(promise: Promise, options: PredictOptions) -> dict[str, tuple[Any, Any]]:
    """How several scales were and are fused; nothing where there is one, or where they are others anyway."""
    several = promise.scales == "auto" or (promise.scales != "native" and len(promise.scales) > 1)
    return (
        {"fusion": (promise.fusion, options.fusion)} if several and promise.scales == options.scales else {}
    )


def promise_records(inspector: Inspector) -> list[dict[str, Any]]:
    """Every promise with ``holds`` and, where it is void, why: for ``run.json``."""
    records = []
    for name, promise in inspector.bundle.manifest.promises.items():
        reasons = reasons_void(inspector, name, promise)
        records.append(
            {"class": name, "promise": promise.words, "holds": not reasons, "void_because": list(reasons)}
        )
    return records


def promise_notes(inspector: Inspector) -> list[str]:
    """A line for each promise: that it holds, or that it is void and why."""
    return [
        f"the promise for {record['class']} ({record['promise']}) "
        + ("holds" if record["holds"] else f"is void: {'; '.join(record['void_because'])}")
        for record in promise_records(inspector)
    ]


def void_notes(inspector: Inspector) -> list[str]:
    """A warning for each promise that does not hold any more."""
    lines = zip(promise_records(inspector), promise_notes(inspector), strict=True)
    return [note for record, note in lines if not record["holds"]]
