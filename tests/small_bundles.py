"""Small bundles for tests, and ways to spoil them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from flawscope.bundle import (
    MANIFEST_NAME,
    Bundle,
    Chosen,
    ClassSpec,
    InputSpec,
    Manifest,
    StageSpec,
    write_bundle_folder,
)
from flawscope.manifest import NetworkSpec


def make(root: Path, files: dict[str, bytes | Path] | None = None, **changes: object) -> Bundle:
    """A bundle whose graph is an empty file, where no other files are given."""
    values: dict[str, object] = {
        "classes": (ClassSpec(id=1, name="crack"),),
        "input": InputSpec(),
        "stages": (StageSpec(network=NetworkSpec(name="unet"), files={"onnx": "model.onnx"}),),
        "thresholds": {"crack": Chosen(value=0.4, rule="f1", data="val")},
        "min_area_px": {"crack": Chosen(value=25)},
        **changes,
    }
    return write_bundle_folder(root, Manifest(**values), files or {"model.onnx": b""})  # type: ignore[arg-type]


def edit(root: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change the manifest of a written bundle in place."""
    path = root / MANIFEST_NAME
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


def external(location: str) -> bytes:
    """An ONNX file whose one tensor lies in another file."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    entry = field(1, b"location") + field(2, location.encode())
    return field(7, field(5, field(13, entry)))
