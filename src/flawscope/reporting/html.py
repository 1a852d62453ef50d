"""``report.html``: one self-contained page with pictures, tables and the settings behind them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from flawscope.images.atomic import write_text_atomic
from flawscope.reporting import page
from flawscope.reporting.overlay import encode_jpeg, shrink
from flawscope.types import ClassInfo, Inspection, RgbImage

PICTURES_BYTES = 18_000_000
"""All pictures of a page together, before base64 makes them a third larger: the page stays below 30 MB."""

_LARGEST_PICTURE_BYTES = 600_000
_PICTURE_SIDE_PX = 1600
_SMALLEST_SIDE_PX = 160
_THUMBNAIL_SIDE_PX = 112


@dataclass(frozen=True, slots=True)
class ThresholdFact:
    """How one class is told from the background, and who chose that."""

    class_name: str
    threshold: float
    rule: str = ""
    """What chose it, e.g. ``best F1`` or ``given by the user``."""
    data: str = ""
    min_area_px: float = 0.0
    meant_for_px: int | None = None
    """Size of the photographs that the area is meant for; others get it in proportion."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model behind a report."""

    name: str
    sha256: str = ""
    """Hash of the bundle."""
    thresholds: tuple[ThresholdFact, ...] = ()
    licence: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ReportImage:
    """One image of a report. Made by :func:`report_image`."""

    inspection: Inspection
    """Its ``prediction`` is not read and may be None."""
    picture_jpeg: bytes = b""
    thumbnail_jpeg: bytes = b""
    overlay_path: str = ""
    """The full overlay, relative to the report, with ``/``; empty when it was not written."""


@dataclass(frozen=True, slots=True, eq=False)
class ReportData:
    """All that a report tells."""

    images: Sequence[ReportImage]
    classes: tuple[ClassInfo, ...] = ()
    model: ModelFacts | None = None
    settings: Sequence[tuple[str, str]] = ()
    """Name and value of each setting, in the order to be shown."""
    versions: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    title: str = "Surface inspection"
    skipped_files: int = 0
    """Files that were passed over because they are no images by name, or of an earlier inspection."""
    seconds: float = 0.0
    files: Sequence[str] = ("findings.csv", "images.csv")
    """Files written beside the report, by their path relative to it."""
    created: datetime.datetime = field(default_factory=lambda: datetime.datetime.now().astimezone())


def report_image(
    inspection: Inspection, overlay: RgbImage | None, images_in_report: int, overlay_path: str = ""
) -> ReportImage:
    """An image for the report; its pictures shrink as their number grows, so that the page stays small.

    overlay: h x w x 3 uint8 RGB, the photograph with its findings; None when it could not be read.
    """
    if overlay is None:
        return ReportImage(inspection)
    budget = min(_LARGEST_PICTURE_BYTES, PICTURES_BYTES // max(1, images_in_report))
    thumbnail = encode_jpeg(shrink(overlay, _THUMBNAIL_SIDE_PX), 78)
    return ReportImage(inspection, _encode_within(overlay, budget), thumbnail, overlay_path)


def _encode_within(image: RgbImage, most_bytes: int) -> bytes:
    """JPEG of at most ``most_bytes``, as large as that allows but never below ``_SMALLEST_SIDE_PX``."""
    side = min(_PICTURE_SIDE_PX, max(image.shape[:2]))
    while True:
        data = encode_jpeg(shrink(image, side), 84 if most_bytes > 100_000 else 74)
        if len(data) <= most_bytes or side <= _SMALLEST_SIDE_PX:
            return data
        # Bytes grow with the area; a little less than the root lands below the limit in one or two steps.
        factor = min(0.92, 0.95 * (most_bytes / len(data)) ** 0.5)
        side = max(_SMALLEST_SIDE_PX, int(side * factor))


def render(report: ReportData) -> str:
    """The page as HTML text. Everything that comes from outside is escaped."""
    environment = Environment(
        loader=PackageLoader("flawscope.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(page=page.view(report))


def write_report(path: str | Path, report: ReportData) -> None:
    """Write the page, whole or not at all. Raises OutputError."""
    write_text_atomic(path, render(report))
