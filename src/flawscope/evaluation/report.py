"""What every way of choosing thresholds has in common: its file, and writing the choice into a bundle."""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from flawscope.bundle import Bundle, write_bundle_folder, zip_bundle
from flawscope.evaluation.metrics import Failed, json_text
from flawscope.images.atomic import make_folder, write_text_atomic
from flawscope.manifest import Manifest, Promise


@dataclass(frozen=True, eq=False)
class Facts:
    """On what a choice was made."""

    images: int
    part: str
    data: str
    """Data set and part, as the bundle will name them."""
    failed: tuple[Failed, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Report(ABC):
    """The choices of one method for all classes of a model."""

    facts: Facts

    method: ClassVar[str] = ""

    @property
    def images(self) -> int:
        """Images that were looked at."""
        return self.facts.images

    @property
    def part(self) -> str:
        """Part of the data set."""
        return self.facts.part

    @property
    def data(self) -> str:
        """Data set and part."""
        return self.facts.data

    @property
    def failed(self) -> tuple[Failed, ...]:
        """Images that could not be read."""
        return self.facts.failed

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should be told."""
        return self.facts.notes

    @abstractmethod
    def class_dicts(self) -> dict[str, dict[str, Any]]:
        """Class name -> the choice as JSON takes it."""

    @abstractmethod
    def draw(self, path: Path) -> None:
        """Draw what is behind the choice."""

    @abstractmethod
    def lines(self) -> list[str]:
        """The choice as text."""

    @abstractmethod
    def updated(self, manifest: Manifest) -> Manifest:
        """The manifest with the choice in it."""

    def to_dict(self) -> dict[str, Any]:
        """The content of ``thresholds.json``."""
        return {
            "schema": 1,
            "method": self.method,
            "data": self.data,
            "images": self.images,
            "part": self.part,
            "classes": self.class_dicts(),
            "failed": [{"image": item.name, "error": item.error} for item in self.failed],
            "notes": list(self.notes),
        }

    def write(self, out: str | Path) -> Path:
        """Write ``thresholds.json`` and ``thresholds.png`` into the folder ``out``. Raises OutputError."""
        folder = make_folder(out)
        self.draw(folder / "thresholds.png")
        write_text_atomic(folder / "thresholds.json", json_text(self.to_dict()))
        return folder

    def apply(self, bundle: Bundle) -> Bundle:
        """Write the choices into the bundle, where it lies, and return it loaded again.

        No graph changes: thresholds and areas live in the manifest. Raises OutputError and BundleError.
        """
        return rewrite(bundle, self.updated(bundle.manifest))


def absent_note(absent: Sequence[str]) -> list[str]:
    """What to say of classes that no image shows."""
    return [f"in no image, so left as they were: {', '.join(absent)}"] if absent else []


def without(promises: Mapping[str, Promise], names: Container[str]) -> dict[str, Promise]:
    """Promises of the other classes: a new threshold ends what the old one promised."""
    return {name: promise for name, promise in promises.items() if name not in names}


def rewrite(bundle: Bundle, manifest: Manifest, added: Mapping[str, bytes] | None = None) -> Bundle:
    """Put another manifest into a bundle, folder or zip, where it lies; its files stay as they are.

    ``added``: further files by name, such as a card, or what replaces them. Raises OutputError.
    """
    files: dict[str, bytes | Path] = {name: bundle.root / name for name in bundle.manifest.sha256}
    files |= added or {}
    if bundle.source.is_dir():
        return write_bundle_folder(bundle.root, manifest, files)
    temporary = Path(tempfile.mkdtemp(prefix="flawscope-threshold-"))
    try:
        folder = write_bundle_folder(temporary / "bundle", manifest, files).root
        zip_bundle(folder, bundle.source)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Bundle.load(bundle.source)
