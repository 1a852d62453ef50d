"""Model bundles: the one hand-over between training and everything after it.

A bundle is a folder (or the same folder zipped as ``NAME.flawscope``) with ``manifest.json`` and the files
that the manifest lists. Loading one can never run code: there is no pickle in it, every file is checked
against its SHA-256, and nothing outside the folder is read. The hashes tell damage, not authorship.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import weakref
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from flawscope.bundle_files import (
    OS_DROPPINGS,
    check_kind,
    check_name,
    onnx_external_files,
    sha256_of,
    unzip_safely,
    walk_files,
    zip_folder,
)
from flawscope.errors import BundleError, OutputError
from flawscope.manifest import (
    MANIFEST_NAME,
    SCHEMA,
    Chosen,
    ClassSpec,
    FileRole,
    InputSpec,
    Manifest,
    NetworkSpec,
    Role,
    StageSpec,
)
from flawscope.types import ClassInfo

__all__ = [
    "MANIFEST_NAME",
    "SCHEMA",
    "Bundle",
    "Chosen",
    "ClassSpec",
    "InputSpec",
    "Manifest",
    "NetworkSpec",
    "StageSpec",
    "write_bundle_folder",
    "zip_bundle",
]

_HEAD_BYTES = 64 * 1024
_MAX_MANIFEST_BYTES = 8 * 1024**2
_GRAPH_ROLES: tuple[FileRole, ...] = ("onnx", "onnx_int8")
"""Roles of ONNX graphs, which may name further files."""


class Bundle:
    """A verified model bundle. Make one with :meth:`load`."""

    def __init__(self, root: Path, manifest: Manifest, source: Path, temporary: Path | None = None) -> None:
        self.root = root
        """Folder that holds the files (a private temporary folder for a zip)."""
        self.manifest = manifest
        self.source = source
        """What was loaded: the folder or the zip."""
        self._cleanup = (
            weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True) if temporary else None
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Bundle:
        """Read and verify a bundle: a folder, a ``.flawscope`` zip, or a run folder with ``bundle/`` in it.

        Raises BundleError when it is missing, incomplete, tampered with, unsafe or of a newer schema.
        """
        source = Path(path)
        try:
            return cls._load(source)
        except OSError as error:
            raise BundleError(
                f"The bundle {source} cannot be read: {error.strerror or error}"
                f"{'' if error.filename in (None, str(source)) else f' ({error.filename})'}.\n"
                "Expected files that may be read and, for a .flawscope file, room to unpack it (see TMPDIR)."
            ) from error

    @classmethod
    def _load(cls, source: Path) -> Bundle:
        if source.is_dir():
            root = _folder_root(source)
            return cls(root, _verify(root), source)
        if not source.is_file():
            raise BundleError(
                f"There is no model bundle at {source}.\n"
                f"Expected a folder with {MANIFEST_NAME} or a .flawscope file."
            )
        with source.open("rb") as stream:  # is_zipfile takes a path that it may not read for no zip
            zipped = zipfile.is_zipfile(stream)
        if not zipped:
            raise BundleError(
                f"{source} is no model bundle: neither a folder nor a zip.\n"
                f"Expected a folder with {MANIFEST_NAME} or a .flawscope file."
            )
        temporary = Path(tempfile.mkdtemp(prefix="flawscope-bundle-"))
        try:
            unzip_safely(source, temporary)
            root = _unpacked_root(temporary, source)
            return cls(root, _verify(root), source, temporary)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The classes, in the order of the network's output planes."""
        return tuple(item.info() for item in self.manifest.classes)

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, which itself holds the hash of every file."""
        return hashlib.sha256(self.manifest.to_json().encode()).hexdigest()

    def stage(self, role: Role = "segment") -> StageSpec:
        """The stage of that role; BundleError when the bundle has none."""
        for item in self.manifest.stages:
            if item.role == role:
                return item
        have = ", ".join(item.role for item in self.manifest.stages)
        raise BundleError(f"The bundle {self.source} has no {role!r} network; it has: {have}.")

    def file(self, stage: StageSpec, role: FileRole) -> Path | None:
        """Path of a stage's file, or None when the bundle does not hold that kind."""
        name = stage.files.get(role)
        return None if name is None else self.root / check_name(name)

    def threshold(self, class_name: str) -> float:
        """Probability from which a pixel counts as the class; 0.5 when the manifest names none."""
        chosen = self.manifest.thresholds.get(class_name)
        return 0.5 if chosen is None else chosen.value

    def min_area_px(self, class_name: str) -> int:
        """Smallest area of a finding of the class; 0 when the manifest names none."""
        chosen = self.manifest.min_area_px.get(class_name)
        return 0 if chosen is None else int(chosen.value)

    def presence_px(self, class_name: str) -> int:
        """Fewest pixels in an image for the class to be there at all; 0 when the manifest names none."""
        chosen = self.manifest.presence_px.get(class_name)
        return 0 if chosen is None else int(chosen.value)

    def close(self) -> None:
        """Remove the temporary folder of a zipped bundle. Done by itself when the bundle is no longer
        used."""
        if self._cleanup is not None:
            self._cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Bundle({str(self.source)!r}, classes={[item.name for item in self.manifest.classes]})"


def write_bundle_folder(
    root: str | os.PathLike[str], manifest: Manifest, files: Mapping[str, bytes | Path]
) -> Bundle:
    """Write a bundle folder, whole or not at all, and load it back.

    ``files`` maps names inside the bundle to contents or to files to copy; the manifest's ``sha256`` is
    filled in here. An older bundle at ``root`` is replaced; any other folder with files in it is refused
    (OutputError).
    """
    out = Path(root)
    try:
        _check_replaceable(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise OutputError(f"Cannot write the bundle {out}: {error}.") from error
    try:
        temporary.chmod(0o755)
        hashes: dict[str, str] = {}
        for name, content in sorted(files.items()):
            target = temporary / check_name(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, target)
            else:
                target.write_bytes(content)
            hashes[name] = sha256_of(target)
        complete = manifest.model_copy(update={"sha256": hashes})
        (temporary / MANIFEST_NAME).write_text(complete.to_json(), encoding="utf-8")
        _verify(temporary)
        _swap_in(temporary, out)
    except OSError as error:
        raise OutputError(f"Cannot write the bundle {out}: {error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Bundle.load(out)


def zip_bundle(folder: str | os.PathLike[str], out: str | os.PathLike[str]) -> Path:
    """Zip a bundle folder as ``out`` (``NAME.flawscope``): same files, same bytes. Verifies the folder
    first."""
    root, target = Path(folder), Path(out)
    _verify(root)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise OutputError(f"Cannot write {target}: {error}.") from error
    temporary = Path(name)
    try:
        zip_folder(root, temporary)
        temporary.chmod(0o644)
        temporary.replace(target)
    except OSError as error:
        raise OutputError(f"Cannot write {target}: {error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


# --- checks ---------------------------------------------------------------------------------------------


def _folder_root(source: Path) -> Path:
    if (source / MANIFEST_NAME).exists():
        return source
    if (source / "bundle" / MANIFEST_NAME).exists():
        return source / "bundle"
    raise BundleError(
        f"{source} is no model bundle: it has no {MANIFEST_NAME}.\n"
        "Expected a bundle folder, a run folder with bundle/ in it, or a .flawscope file."
    )


def _unpacked_root(folder: Path, source: Path) -> Path:
    """The unpacked folder itself, or the single folder in it when the zip was made one level higher."""
    if (folder / MANIFEST_NAME).is_file():
        return folder
    inner = [path for path in folder.iterdir() if path.name not in OS_DROPPINGS]
    if len(inner) == 1 and (inner[0] / MANIFEST_NAME).is_file():
        return inner[0]
    raise BundleError(f"The zip {source} is no model bundle: it has no {MANIFEST_NAME}.")


def _read_manifest(path: Path) -> Manifest:
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise BundleError(
                f"{path} is larger than {_MAX_MANIFEST_BYTES // 1024**2} MB; that is no manifest."
            )
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise BundleError(f"{path} cannot be read as JSON: {error}.\nThe bundle is damaged.") from error
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise BundleError(f"{path} names no schema number; it is no flawscope manifest.")
    if schema > SCHEMA:
        raise BundleError(
            f"{path} was written by a newer flawscope: schema {schema}, this version reads up to {SCHEMA}.\n"
            "Upgrade flawscope, or export the bundle again with this version."
        )
    try:
        manifest = Manifest.model_validate(raw)
        manifest.to_json()  # half a surrogate pair is JSON, but no text
        return manifest
    except PydanticSerializationError as error:
        raise BundleError(f"{path} holds no Unicode text: {error}.\nThe bundle is damaged.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "manifest"
        raise BundleError(
            f"{path}: {where}: {first['msg']} ({error.error_count()} problem(s) in all).\n"
            "The bundle is damaged or was edited by hand."
        ) from error


def _verify(root: Path) -> Manifest:
    """Check every file of a bundle folder and return its manifest."""
    present = walk_files(root)
    for name, path in present.items():
        with path.open("rb") as stream:
            check_kind(name, stream.read(_HEAD_BYTES))
    if MANIFEST_NAME not in present:
        raise BundleError(f"The bundle {root} has no {MANIFEST_NAME}.")
    manifest = _read_manifest(present.pop(MANIFEST_NAME))
    for name in manifest.sha256:
        check_name(name)
    _check_complete(root, manifest, present)
    for name, expected in manifest.sha256.items():
        if sha256_of(present[name]) != expected:
            raise BundleError(
                f"The bundle {root} was changed or damaged: {name} does not match its SHA-256.\n"
                "Copy or export the bundle again."
            )
    # Runtimes open what the manifest calls a graph, whatever its suffix.
    graphs = {name for stage in manifest.stages for role, name in stage.files.items() if role in _GRAPH_ROLES}
    for name, path in present.items():
        if name in graphs or name.endswith(".onnx"):
            _check_onnx(name, path, manifest)
    return manifest


def _check_complete(root: Path, manifest: Manifest, present: Mapping[str, Path]) -> None:
    for stage in manifest.stages:
        for role, name in stage.files.items():
            check_name(name)
            if name not in manifest.sha256:
                raise BundleError(f"The bundle {root} lists no SHA-256 for its {role} file {name}.")
    missing = sorted(set(manifest.sha256) - set(present))
    if missing:
        raise BundleError(
            f"The bundle {root} is incomplete; missing: {', '.join(missing)}.\n"
            "Copy or export the bundle again."
        )
    extra = sorted(set(present) - set(manifest.sha256))
    if extra:
        raise BundleError(
            f"The bundle {root} holds files that its manifest does not list: {', '.join(extra)}.\n"
            "Remove them, or export the bundle again."
        )


def _check_onnx(name: str, path: Path, manifest: Manifest) -> None:
    try:
        locations = onnx_external_files(path.read_bytes())
    except ValueError as error:
        raise BundleError(f"The bundle's {name} is no readable ONNX graph: {error}.") from error
    folder = check_name(name).parent
    for location in sorted(locations):
        check_name(location)
        if (folder / location).as_posix() not in manifest.sha256:
            raise BundleError(
                f"The bundle's {name} reads weights from {location!r}, which the manifest does not list.\n"
                "Do not use this bundle."
            )


def _check_replaceable(out: Path) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not _names_stages(out / MANIFEST_NAME):
        raise OutputError(f"{out} exists and is no bundle; it is not overwritten. Choose another place.")


def _names_stages(path: Path) -> bool:
    """Whether a file is a flawscope manifest, sound or not; web pages have a manifest.json of their own."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (ValueError, RecursionError):
        return False
    return isinstance(raw, dict) and "schema" in raw and "stages" in raw


def _swap_in(temporary: Path, out: Path) -> None:
    """Put the finished folder in place; an older bundle leaves only once the new one is complete."""
    if not out.exists():
        temporary.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
    try:
        out.rename(old / "bundle")
        temporary.rename(out)
    finally:
        if not out.exists():
            (old / "bundle").rename(out)
        shutil.rmtree(old, ignore_errors=True)
