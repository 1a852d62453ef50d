"""From a run to ``report.html``: what the page is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from flawscope.images.listing import OVERLAYS_FOLDER
from flawscope.inspection.inspector import Inspector
from flawscope.inspection.promises import promise_notes, promise_records
from flawscope.inspection.record import RunRecord
from flawscope.inspection.widths import width_errors_of
from flawscope.reporting.html import (
    ModelFacts,
    ReportData,
    ReportImage,
    ThresholdFact,
    report_image,
    write_report,
)
from flawscope.types import Inspection


def write_html(
    path: Path, stems: Sequence[str], pictures: Sequence[Path], record: RunRecord, files: Sequence[str]
) -> None:
    """Write the report; ``stems`` and ``pictures`` (small overlays) go with ``record.inspections``.

    Raises OutputError.
    """
    overlays = "overlays" in record.formats
    count = len(record.inspections)
    images = [
        _image(item, picture, count, f"{OVERLAYS_FOLDER}/{stem}.jpg" if overlays else "")
        for item, stem, picture in zip(record.inspections, stems, pictures, strict=True)
    ]
    facts = record.to_json()
    write_report(
        path,
        ReportData(
            images=images,
            classes=record.inspector.classes,
            model=_model(record.inspector),
            settings=_settings(record),
            versions=[("flawscope", facts["flawscope_version"]), *facts["versions"].items()],
            notes=_notes(record),
            skipped_files=record.skipped,
            seconds=record.seconds,
            files=files,
        ),
    )


def _image(inspection: Inspection, picture: Path, count: int, overlay_path: str) -> ReportImage:
    if inspection.status != "ok":
        return report_image(inspection, None, count)
    try:
        with Image.open(picture) as opened:
            pixels = np.asarray(opened.convert("RGB"), dtype=np.uint8)
    except OSError:  # a report without one picture is better than none
        return report_image(inspection, None, count, overlay_path)
    return report_image(inspection, pixels, count, overlay_path)


def _model(inspector: Inspector) -> ModelFacts:
    manifest = inspector.bundle.manifest
    void = {one["class"] for one in promise_records(inspector) if not one["holds"]}
    thresholds = []
    # A softmax classifier takes the most probable class: its thresholds decide nothing.
    decided = inspector.task == "classification" and manifest.input.activation == "softmax"
    for item in () if decided else inspector.classes:
        value, area = inspector.thresholds[item.name], inspector.min_area_px[item.name]
        chosen = manifest.thresholds.get(item.name)
        own = chosen is not None and chosen.value == value
        rule, data = (chosen.rule, chosen.data) if own and chosen is not None else ("given for this run", "")
        rule += " (promise void, see the notes)" if own and item.name in void else ""
        thresholds.append(
            ThresholdFact(item.name, value, rule, data, area, inspector.min_area_meant_for_px(item.name))
        )
    names = [bundle.manifest.name or bundle.source.name for bundle in inspector.bundles]
    return ModelFacts(
        name=" + ".join(names),
        sha256=inspector.bundle.digest,
        thresholds=tuple(thresholds),
        licence=manifest.licence,
        origin=manifest.origin,
    )


def _settings(record: RunRecord) -> list[tuple[str, str]]:
    options = record.inspector.options
    scales = (
        options.scales if isinstance(options.scales, str) else ", ".join(f"{s:g}" for s in options.scales)
    )
    shown = [
        ("runtime", record.inspector.runtime_name),
        ("working scale", scales),
        ("flip test-time augmentation", "yes" if options.flip_tta else "no"),
    ]
    if scales != "native":
        shown.append(("fusion of working scales", options.fusion))
    for name, error in width_errors_of(record.inspector.bundles, record.inspector.thresholds).items():
        told = record.inspector.bundle.manifest.width_errors[name]
        shown.append(
            (
                f"taken off the widths of {name}",
                f"{error.bias_px:.2f} px of the network: so much wider than the truth it marks them "
                f"({told.data or 'data not named'}). Areas and shares of the surface stay those of the mask",
            )
        )
    if record.scale is not None:
        shown.append(("scale", f"{record.scale.mm_per_px:g} mm per pixel ({record.scale.source})"))
    return shown


def _notes(record: RunRecord) -> list[str]:
    notes = []
    if record.resumed:
        notes.append(
            f"{record.resumed} of the images were inspected in an earlier run with the same settings."
        )
    spared = sum(item.spared for item in record.inspections)
    if spared:
        notes.append(
            f"The gate took {spared} of {len(record.inspections)} images for clean (probability of a defect "
            f"below {record.inspector.gate_threshold:g}); the other network did not look at them."
        )
    if len(record.inspector.bundles) > 1:
        notes.append(f"Probabilities are the mean of {len(record.inspector.bundles)} models.")
    others = (*record.notes, *promise_notes(record.inspector))
    return notes + [f"{note[0].upper()}{note[1:]}." for note in others]
