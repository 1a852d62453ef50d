"""What the report's template shows: every number as text with its unit, every picture as a data URI."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from flawscope.reporting import label_page
from flawscope.reporting.colours import class_colours, to_hex
from flawscope.reporting.overlay import MOST_LABELS
from flawscope.reporting.page_values import NONE, Cell, FindingView, number
from flawscope.reporting.tables import defect_fraction, total_length, worst_severity
from flawscope.types import Finding, Inspection

if TYPE_CHECKING:
    from flawscope.reporting.html import ReportData, ReportImage

MOST_SECTIONS = 500
"""Images with a section of their own; the table lists all."""

_ALL_ROWS = 4000


@dataclass(frozen=True, slots=True)
class ImageView:
    """One image: its row in the overview and its section."""

    anchor: str
    name: str
    status: str
    verdict: str
    error: str
    thumbnail: str
    picture: str
    overlay_href: str
    size: str
    scale: str
    notes: tuple[str, ...]
    cells: tuple[Cell, ...]
    summary: tuple[tuple[str, str], ...]
    head: tuple[str, ...]
    findings: tuple[FindingView, ...]
    findings_left: int
    has_section: bool


@dataclass(frozen=True, slots=True)
class PageView:
    """The whole page."""

    report: ReportData
    created: str
    cards: tuple[tuple[str, str, str, str], ...]
    """Value, unit, caption, kind (empty, ``good``, ``bad``)."""
    head: tuple[str, ...]
    images: tuple[ImageView, ...]
    failed: tuple[ImageView, ...]
    sections: tuple[ImageView, ...]
    without_section: int
    classes: tuple[tuple[str, str], ...]
    """Name and ``#rrggbb`` of each class."""
    has_uncertainty: bool
    scales: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...]
    most_labels: int = MOST_LABELS
    labelled: bool = False
    """A classifier looked at whole images: labels in place of measured findings."""
    verdicts: bool = True
    """Whether images are told apart as clean and defective."""


def view(report: ReportData) -> PageView:
    """Turn a report into what the template shows."""
    chosen = _with_section(report.images)
    rows = max(3, min(25, _ALL_ROWS // max(1, len(chosen))))
    any_scale = any(item.inspection.scale for item in report.images)
    labelled = label_page.is_labelled([item.inspection for item in report.images])
    graded = any(finding.severity for item in report.images for finding in item.inspection.findings)
    colours = {name: to_hex(rgb) for name, rgb in class_colours(report.classes).items()}
    images = tuple(
        _image(number, item, colours, rows if number in chosen else 0, (any_scale, graded))
        for number, item in enumerate(report.images)
    )
    if labelled:
        images = tuple(
            _labelled(image, item.inspection, report, colours)
            for image, item in zip(images, report.images, strict=True)
        )
    return PageView(
        report=report,
        created=report.created.strftime("%Y-%m-%d %H:%M %Z").strip(),
        cards=label_page.cards([item.inspection for item in report.images])
        if labelled
        else _cards(report, any_scale),
        head=label_page.HEAD if labelled else _overview_head(any_scale, graded),
        images=images,
        failed=tuple(item for item in images if item.status != "ok"),
        sections=tuple(item for item in images if item.has_section),
        without_section=sum(item.status == "ok" and not item.has_section for item in images),
        classes=tuple(colours.items()),
        has_uncertainty=any(f.width_u_mm is not None for i in report.images for f in i.inspection.findings),
        scales=_scales(item.inspection for item in report.images),
        files=tuple((name, quote(name)) for name in report.files),
        labelled=labelled,
        verdicts=not labelled or label_page.has_verdicts(report.classes),
    )


# --- numbers as text ------------------------------------------------------------------------------------


_FINE_MM_PER_PX = 0.02
"""Below this a hundredth of a millimetre is coarser than half a pixel: micrometres are shown."""


def length(px: float | None, mm: float | None) -> Cell:
    """A length: in micrometres, millimetres or metres where a scale is known, else in pixels; sorted by
    pixels."""
    sort = -1.0 if px is None else px
    if mm is None:
        return Cell(NONE if px is None else f"{number(px, 0)} px", sort)
    if _is_fine(px, mm):
        return Cell(f"{_micrometres(mm)} µm", sort)
    return Cell(
        f"{number(mm / 1000, 2)} m" if mm >= 1000 else f"{number(mm, 0 if mm >= 100 else 1)} mm", sort
    )


def width(px: float | None, mm: float | None) -> Cell:
    """A width: hundredths of a millimetre, or micrometres, where a scale is known, else tenths of a pixel."""
    sort = -1.0 if px is None else px
    if mm is None:
        return Cell(NONE if px is None else f"{number(px, 1)} px", sort)
    return Cell(f"{_micrometres(mm)} µm" if _is_fine(px, mm) else f"{number(mm, 2)} mm", sort)


def area(px: float, mm2: float | None) -> Cell:
    """An area in square micrometres, millimetres or centimetres, else in pixels."""
    if mm2 is None:
        return Cell(f"{number(px, 0)} px", px)
    if mm2 < 1 and px > 0 and (mm2 / px) ** 0.5 < _FINE_MM_PER_PX:
        return Cell(f"{_micrometres(1000 * mm2)} µm²", px)
    return Cell(f"{number(mm2 / 100, 1)} cm²" if mm2 >= 1000 else f"{number(mm2, 1)} mm²", px)


def _is_fine(px: float | None, mm: float) -> bool:
    """Whether a length is below a millimetre on a photograph so near that millimetres would hide its
    pixels."""
    return mm < 1 and bool(px) and mm / (px or 1.0) < _FINE_MM_PER_PX


def _micrometres(mm: float) -> str:
    """Micrometres with at least two digits."""
    micrometres = 1000 * mm
    return number(micrometres, max(0, 1 - math.floor(math.log10(micrometres))) if micrometres > 0 else 0)


def percent(share: float | None) -> Cell:
    """A share of 0..1 in per cent, small ones with more places."""
    if share is None:
        return Cell(NONE)
    return Cell("0 %" if share == 0 else f"{100 * share:.{1 if share >= 0.1 else 2}f} %", share)


# --- inside ---------------------------------------------------------------------------------------------


def _with_section(images: Sequence[ReportImage]) -> set[int]:
    """Numbers of the images that get a section: those that could be read, the most damaged first."""
    ok = [number for number, item in enumerate(images) if item.inspection.status == "ok"]
    ok.sort(key=lambda n: sum(item.area_px for item in images[n].inspection.findings), reverse=True)
    return set(ok[:MOST_SECTIONS])


def _overview_head(any_scale: bool, graded: bool) -> tuple[str, ...]:
    head = ("Findings", "Length", "Max width", "Defect area", "Time")
    return (*head[:-1], "Severity", head[-1]) if graded else head


def _cards(report: ReportData, any_scale: bool) -> tuple[tuple[str, str, str, str], ...]:
    inspections = [item.inspection for item in report.images]
    findings = [finding for item in inspections for finding in item.findings]
    defective = sum(item.verdict == "defect" for item in inspections)
    failed = sum(item.status != "ok" for item in inspections)
    cards = [
        (number(len(inspections), 0), "", "image" if len(inspections) == 1 else "images", ""),
        (number(defective, 0), "", "with defects", "bad" if defective else "good"),
        (number(len(findings), 0), "", "finding" if len(findings) == 1 else "findings", ""),
    ]
    # One figure may not mix millimetres and pixels: unscaled images are left out where others have a scale.
    known = [item for item in inspections if item.scale or not any_scale]
    part = "" if len(known) == len(inspections) - failed or not any_scale else " (scaled images)"
    shown = [finding for item in known for finding in item.findings]
    length_px, length_mm = total_length(shown)
    cards.append((*_split(length(length_px, length_mm if any_scale else None)), f"crack length{part}", ""))
    lines = [finding for finding in shown if finding.width_max_px is not None and finding.kind == "line"]
    if lines:
        widest = max(lines, key=lambda f: (f.width_max_mm or 0.0) if any_scale else (f.width_max_px or 0.0))
        text = width(widest.width_max_px, widest.width_max_mm)
        cards.append((*_split(text), f"widest crack{part}", ""))
    cards.append((number(failed, 0), "", "failed", "bad" if failed else "good"))
    return tuple(cards)


def _split(cell: Cell) -> tuple[str, str]:
    value, _, unit = cell.text.partition(" ")
    return value, unit


def _image(
    index: int, item: ReportImage, colours: dict[str, str], rows: int, options: tuple[bool, bool]
) -> ImageView:
    inspection = item.inspection
    findings = sorted(inspection.findings, key=lambda f: (-(f.length_px or 0.0), -f.area_px))
    shown = findings[:rows]
    return ImageView(
        anchor=f"image-{index + 1}",
        name=inspection.image,
        status=inspection.status,
        verdict=inspection.verdict,
        error=inspection.error,
        thumbnail=_uri(item.thumbnail_jpeg),
        picture=_uri(item.picture_jpeg) if rows else "",
        overlay_href=quote(item.overlay_path, errors="surrogateescape"),  # names need not be UTF-8
        size="{1} × {0} px".format(*inspection.size_hw),  # noqa: RUF001
        scale=_scale_text(inspection),
        notes=inspection.notes,
        cells=_overview_cells(inspection, options[1]),
        summary=_summary(inspection),
        head=_finding_head(shown),
        findings=tuple(_finding(finding, colours, _finding_head(shown)) for finding in shown),
        findings_left=len(findings) - len(shown),
        has_section=rows > 0,
    )


def _labelled(
    view: ImageView, inspection: Inspection, report: ReportData, colours: dict[str, str]
) -> ImageView:
    """The same image with its label and the most probable classes."""
    return replace(
        view,
        cells=label_page.cells(inspection),
        summary=(),
        head=label_page.TABLE_HEAD,
        findings=label_page.rows(inspection, report.classes, colours) if view.has_section else (),
        findings_left=0,
    )


def _overview_cells(inspection: Inspection, graded: bool) -> tuple[Cell, ...]:
    if inspection.status != "ok":
        return tuple(Cell(NONE) for _ in _overview_head(True, graded))
    length_px, length_mm = total_length(inspection.findings)
    share = defect_fraction(inspection)
    severity = worst_severity(inspection.findings)
    cells = [
        Cell(str(len(inspection.findings)), len(inspection.findings)),
        length(length_px, length_mm if inspection.scale else None) if length_px else Cell(NONE, 0.0),
        _widest(inspection.findings),
        percent(share),
    ]
    if graded:
        cells.append(Cell(severity or NONE, None))
    return (*cells, Cell(f"{number(inspection.seconds, 1)} s", inspection.seconds))


def _widest(findings: Sequence[Finding]) -> Cell:
    lines = [item for item in findings if item.kind == "line" and item.width_max_px is not None]
    if not lines:
        return Cell(NONE)
    widest = max(lines, key=lambda item: item.width_max_px or 0.0)
    return width(widest.width_max_px, widest.width_max_mm)


def _summary(inspection: Inspection) -> tuple[tuple[str, str], ...]:
    cells = _overview_cells(inspection, False)
    names = (
        "finding" if len(inspection.findings) == 1 else "findings",
        "crack length",
        "widest",
        "of the surface",
    )
    pairs = zip((cell.text for cell in cells), names, strict=False)
    return tuple((value, name) for value, name in pairs if value != NONE)


_FINDING_HEAD = (
    "Class", "Length", "Mean width", "Max width", "Area", "Direction", "Severity", "Score", "Edge",
)  # fmt: skip


def _finding_head(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Columns that say anything in this table."""
    said = {
        "Class": len({item.class_name for item in findings}) > 1,
        "Severity": any(item.severity for item in findings),
        "Edge": any(item.at_border for item in findings),
        "Direction": any(item.orientation_deg is not None for item in findings),
        "Mean width": any(item.width_mean_px is not None for item in findings),
        "Score": any(item.score_mean is not None for item in findings),
    }
    return tuple(name for name in _FINDING_HEAD if said.get(name, True))


def _finding(finding: Finding, colours: dict[str, str], head: Sequence[str]) -> FindingView:
    degrees, score = finding.orientation_deg, finding.score_mean
    cells = {
        "Class": Cell(finding.class_name, None),
        "Length": length(finding.length_px, finding.length_mm),
        "Mean width": _mean_width(finding),
        "Max width": width(finding.width_max_px, finding.width_max_mm),
        "Area": area(finding.area_px, finding.area_mm2),
        "Direction": Cell(NONE) if degrees is None else Cell(f"{degrees:.0f}°", degrees),
        "Severity": Cell(" ".join(filter(None, (finding.severity, finding.clause))) or NONE, None),
        "Score": Cell(NONE) if score is None else Cell(f"{score:.2f}", score),
        "Edge": Cell("at edge" if finding.at_border else "", float(finding.at_border)),
    }
    return FindingView(
        number=finding.finding_id,
        colour=colours.get(finding.class_name, "#888888"),
        cells=tuple(cells[name] for name in head),
    )


def _mean_width(finding: Finding) -> Cell:
    """Mean width, with its expanded uncertainty where that is known."""
    cell = width(finding.width_mean_px, finding.width_mean_mm)
    if finding.width_mean_mm is None or finding.width_u_mm is None:
        return cell
    if _is_fine(finding.width_mean_px, finding.width_mean_mm):
        mean, spread = _micrometres(finding.width_mean_mm), _micrometres(finding.width_u_mm)
        return Cell(f"{mean} ± {spread} µm", cell.sort)
    return Cell(f"{number(finding.width_mean_mm, 2)} ± {number(finding.width_u_mm, 2)} mm", cell.sort)


def _scale_text(inspection: Inspection) -> str:
    scale = inspection.scale
    if scale is None:
        return ""
    spread = f" ± {200 * scale.u_rel:.2g} %" if scale.u_rel else ""
    return f"{scale.mm_per_px:.4g} mm/px{spread} ({scale.source})"


def _scales(inspections: Iterable[Inspection]) -> tuple[tuple[str, str], ...]:
    """Scale and the images it belongs to."""
    found: dict[str, list[str]] = {}
    for item in inspections:
        if item.status == "ok":
            found.setdefault(_scale_text(item) or "none: lengths and widths are in pixels", []).append(
                item.image
            )
    if len(found) == 1:
        return tuple((text, "all images") for text in found)
    return tuple(
        (text, ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else ""))
        for text, names in found.items()
    )


def _uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii") if jpeg else ""
