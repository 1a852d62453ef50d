"""What a run has done so far, one small JSON file an image, so that ``--resume`` and ``--shard`` can go on
from it.

The files lie in ``OUT/.flawscope/``. An entry appears after all outputs of its image are in place, or
once it is known that there are none, and counts only for the very settings and version it was made with. It
also names the files that were written of the image: they, and no others, are removed when they are outdated.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

import flawscope
from flawscope.images.atomic import remove_file, write_text_atomic
from flawscope.images.listing import STATE_FOLDER
from flawscope.types import Centreline, Finding, Inspection, Scale

_SCHEMA = 1
_ENTRIES = "[0-9a-f]" * 32 + ".json"


class Journal:
    """Entries of one output folder for one fingerprint of settings."""

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        self._out = out
        self._folder = out / STATE_FOLDER
        # Another version may measure otherwise: its figures do not belong into the same table.
        made_with = {**settings, "flawscope_version": flawscope.__version__}
        text = json.dumps(made_with, sort_keys=True, default=str)
        self._settings = hashlib.sha256(text.encode()).hexdigest()

    def begin(self, stem_path: str, files: Iterable[Path]) -> None:
        """Note which files of an image are about to be written: what it had so far counts no longer.

        Those of earlier runs stay noted, so that they are known whatever happens. Raises OutputError.
        """
        path = self._path(stem_path)
        self._write(path, {"files": sorted({*_noted(path), *self._names(files)})})

    def add(self, stem_path: str, image: Path, inspection: Inspection, files: Iterable[Path] = ()) -> None:
        """Note what came of an image, failed or done, and its files; what else runs wrote of it is removed.

        Raises OutputError.
        """
        path, names = self._path(stem_path), sorted(self._names(files))
        for name in sorted(_noted(path) - set(names)):
            remove_file(self._out / name)
        entry = {
            "schema": _SCHEMA,
            "settings": self._settings,
            "input": _stamp(image),
            "inspection": _to_json(inspection),
            "files": names,
        }
        self._write(path, entry)

    def keep_only(self, stem_paths: Iterable[str]) -> None:
        """Remove what runs wrote of any other image, and its entry. Raises OutputError."""
        kept = {self._path(stem_path) for stem_path in stem_paths}
        gone = sorted(set(self._folder.glob(_ENTRIES)) - kept)
        # Names that differ in case alone may be one file: it belongs to the image that is kept.
        needed = {name.casefold() for path in kept if gone for name in _noted(path)}
        for path in gone:
            for name in sorted(_noted(path)):
                if name.casefold() not in needed:
                    remove_file(self._out / name)
            remove_file(path)

    def find(self, stem_path: str, image: Path) -> Inspection | None:
        """The image's result, less its prediction; None unless it was made of this file with these
        settings."""
        try:
            entry = json.loads(self._path(stem_path).read_text(encoding="utf-8"))
            same = (entry["schema"], entry["settings"]) == (_SCHEMA, self._settings)
            if not same or entry["input"] != _stamp(image):
                return None
            return _from_json(entry["inspection"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # no entry, or none that is of use: the image is done again

    def picture_path(self, stem_path: str) -> Path:
        """Where the image's small overlay for the report lies."""
        return self._path(stem_path).with_suffix(".jpg")

    def _names(self, files: Iterable[Path]) -> set[str]:
        return {path.relative_to(self._out).as_posix() for path in files}

    def _write(self, path: Path, entry: Mapping[str, Any]) -> None:
        write_text_atomic(path, json.dumps(entry, separators=(",", ":")))

    def _path(self, stem_path: str) -> Path:
        # Hashed: stems may be as long as a file name can be, and must not clash without case.
        # File names need not be UTF-8: what is none of it is a lone surrogate in Python.
        name = stem_path.encode("utf-8", "surrogatepass")
        return self._folder / f"{hashlib.sha256(name).hexdigest()[:32]}.json"


def _noted(entry: Path) -> set[str]:
    """Files of an image below the output folder, as its entry names them; empty where it names none."""
    try:
        names = json.loads(entry.read_text(encoding="utf-8"))["files"]
        # The folder may have travelled: whatever its entries say, nothing outside of it is removed.
        return {
            name for name in names if ".." not in PurePosixPath(name).parts and not Path(name).is_absolute()
        }
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _stamp(image: Path) -> list[Any]:
    try:
        status = image.stat()
    except OSError:
        return []
    return [str(image.resolve()), status.st_size, status.st_mtime_ns]


def _to_json(inspection: Inspection) -> dict[str, Any]:
    scale = inspection.scale
    return {
        "image": inspection.image,
        "status": inspection.status,
        "size_hw": list(inspection.size_hw),
        "findings": [_finding_to_json(finding) for finding in inspection.findings],
        "scale": None if scale is None else [scale.mm_per_px, scale.source, scale.u_rel],
        "seconds": inspection.seconds,
        "error": inspection.error,
        "notes": list(inspection.notes),
        "label": inspection.label,
        "label_score": inspection.label_score,
        "scores": list(inspection.scores),
        "gate_score": inspection.gate_score,
        "spared": inspection.spared,
        "tiles_not_inspected": inspection.tiles_not_inspected,
        "defect_fraction": inspection.defect_fraction,
    }


def _from_json(raw: dict[str, Any]) -> Inspection:
    values = dict(raw)
    values["size_hw"] = tuple(values["size_hw"])
    values["notes"] = tuple(values["notes"])
    values["scores"] = tuple(values["scores"])
    values["scale"] = None if values["scale"] is None else Scale(*values["scale"])
    values["findings"] = tuple(_finding_from_json(item) for item in values["findings"])
    return Inspection(**values)


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    values = {item.name: getattr(finding, item.name) for item in fields(finding)}
    values["contour_xy_px"] = [np.round(ring, 3).tolist() for ring in finding.contour_xy_px]
    line = finding.centreline
    values["centreline"] = line and {
        "points_xy_px": np.round(line.points_xy_px, 3).tolist(),
        "width_px": np.round(line.width_px, 4).tolist(),
        "branch": line.branch.tolist(),
    }
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in values.items()}


def _finding_from_json(raw: dict[str, Any]) -> Finding:
    values = dict(raw)
    values["contour_xy_px"] = tuple(np.array(ring, dtype=np.float64) for ring in values["contour_xy_px"])
    line = values["centreline"]
    values["centreline"] = line and Centreline(
        points_xy_px=np.array(line["points_xy_px"], dtype=np.float64).reshape(-1, 2),
        width_px=np.array(line["width_px"], dtype=np.float64),
        branch=np.array(line["branch"], dtype=np.int64),
    )
    return Finding(**values)
