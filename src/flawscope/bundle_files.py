"""Safety of bundle files: names, kinds, pickles, ONNX references, zips. Nothing here ever runs or unpickles
data."""

from __future__ import annotations

import hashlib
import io
import pickletools
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from flawscope.errors import BundleError, OutputError

MAX_MEMBERS = 256
MAX_TOTAL_BYTES = 2 * 1024**3
MAX_RATIO = 200
RATIO_FREE_BYTES = 16 * 1024**2
"""Below this much unpacked data the ratio is not looked at: small texts and empty weights shrink well."""

PICKLE_SUFFIXES = frozenset(
    {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".pt2", ".ptl", ".joblib", ".dill", ".npy", ".npz", ".mar"}
)
ALLOWED_SUFFIXES = frozenset(
    {".json", ".onnx", ".safetensors", ".xml", ".bin", ".tflite", ".data", ".md", ".txt", ".csv", ".toml"}
    | {".png", ".jpg", ".svg", ".html", ""}
)
OS_DROPPINGS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files that desktops leave in any folder; neither read nor refused."""
_MAC_FOLDER = "__MACOSX"
"""Folder that macOS puts into each zip, with what its own disks know of the files; not unpacked."""
_MANY_OPCODES, _FEW_KINDS = 64, 3
"""More opcodes in a row than the first, of more kinds than the second, are no chance."""
_IMPORT = re.compile(r"^[\w.]+ [\w.]+$")
"""Module and name, as pickles ask for them."""

_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What reading a damaged zip raises, beside OSError: unpacking has an error of its own."""

_CHUNK = 1024 * 1024
_DRIVE = re.compile(r"^[A-Za-z]:")
_CALLING_OPS = frozenset(
    {"GLOBAL", "STACK_GLOBAL", "REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"}
    | {"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
)


def check_name(name: str) -> PurePosixPath:
    """A member's path inside the bundle; BundleError when it is absolute, leaves the folder or is odd."""
    path = PurePosixPath(name)
    odd = not name or "\\" in name or "\x00" in name or _DRIVE.match(name) is not None
    if odd or path.is_absolute() or any(part in ("..", ".", "") for part in name.split("/")):
        raise BundleError(
            f"The bundle names a file outside of its folder: {name!r}.\n"
            "Names must be relative, with '/', and without '..'. Do not use this bundle."
        )
    return path


def check_kind(name: str, head: bytes) -> None:
    """Refuse pickles and unknown kinds of file, by suffix and by first bytes (at least the first 64 KiB)."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in PICKLE_SUFFIXES or head[:4] == b"PK\x03\x04" or looks_like_pickle(head):
        raise BundleError(
            f"The bundle holds a pickle or a torch file: {name!r}; loading one can run code.\n"
            "Weights must be .safetensors, graphs .onnx. Do not use this bundle."
        )
    if suffix not in ALLOWED_SUFFIXES:
        raise BundleError(
            f"The bundle holds a kind of file that does not belong there: {name!r}.\n"
            f"Expected one of: {', '.join(sorted(ALLOWED_SUFFIXES - {''}))}."
        )


def looks_like_pickle(head: bytes) -> bool:
    """Whether the bytes read as pickle opcodes. Looks only; nothing is executed.

    A safetensors file may start with the bytes of a pickle header (its length field), so the header alone
    does not decide: the opcodes after it must be valid too.
    """
    if not head:
        return False
    with_header = len(head) > 1 and head[0] == 0x80 and head[1] <= 5
    seen: list[str] = []
    try:
        for opcode, given, _ in pickletools.genops(io.BytesIO(head)):
            if opcode.name in ("GLOBAL", "INST") and not _IMPORT.match(str(given)):
                return False  # lines of a text that begin with c or i
            seen.append(opcode.name)
            if opcode.name == "STOP":
                return with_header or not _CALLING_OPS.isdisjoint(seen)
            if with_header and len(seen) > _MANY_OPCODES:
                return True
    except (ValueError, IndexError, OverflowError, UnicodeDecodeError, MemoryError) as error:
        # A head cut at 64 KiB ends inside an opcode's data: long valid beginnings count as a pickle.
        cut = "not enough data" in str(error) or "expected" in str(error) or "no newline" in str(error)
        if not with_header:  # the oldest pickles have none
            many = len(seen) > _MANY_OPCODES and len(set(seen)) > _FEW_KINDS
            return cut and many and not _CALLING_OPS.isdisjoint(seen)
        return len(seen) > 8 or (cut and len(seen) > 1)
    return with_header and len(seen) > 8


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def walk_files(root: Path) -> dict[str, Path]:
    """All files below ``root`` by their name with ``/``. BundleError for links and special files."""
    found: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        name = path.relative_to(root).as_posix()
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise BundleError(
                f"The bundle {root} holds a link or special file: {name!r}.\n"
                "A bundle has plain files only. Copy the file itself into the folder."
            )
        if path.name not in OS_DROPPINGS:
            found[name] = path
        if len(found) > MAX_MEMBERS:
            raise BundleError(f"{root} holds more than {MAX_MEMBERS} files; that is no model bundle.")
    return found


# --- zips ---------------------------------------------------------------------------------------------------


def unzip_safely(archive: Path, target: Path) -> None:
    """Unpack a bundle zip into the empty folder ``target``, trusting nothing that the zip says of itself.

    BundleError for damage, names outside the folder, links, encryption, compression other than deflate,
    doubled names, pickles, more than ``MAX_MEMBERS`` members, more than ``MAX_TOTAL_BYTES``, or unpacked data
    over ``MAX_RATIO`` times the zip.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            members = _checked_members(source)
            budget = max(RATIO_FREE_BYTES, MAX_RATIO * archive.stat().st_size)
            budget = min(budget, MAX_TOTAL_BYTES)
            for name, member in members.items():
                budget -= _unpack(source, member, target / name, budget)
    except _BROKEN_ZIP as error:
        raise BundleError(
            f"{archive} is damaged or no bundle zip: {error}.\nCopy or download the bundle again."
        ) from error
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise BundleError(f"{archive} cannot be unpacked into {target}: {error}.") from error


def _checked_members(source: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    infos = source.infolist()
    if len(infos) > MAX_MEMBERS:
        raise BundleError(f"The bundle zip holds {len(infos)} members; expected at most {MAX_MEMBERS}.")
    members: dict[str, zipfile.ZipInfo] = {}
    folded: set[str] = set()
    for info in infos:
        # orig_filename is what the zip says; zipfile itself mends backslashes and NULs in filename.
        name = check_name(info.orig_filename.rstrip("/")).as_posix()
        mode = info.external_attr >> 16
        if stat.S_ISLNK(mode) or (stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR)):
            raise BundleError(f"The bundle zip holds a link or special file: {name!r}. Do not use it.")
        if info.flag_bits & 0x1:
            raise BundleError(f"The bundle zip is encrypted ({name!r}); flawscope reads plain zips only.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BundleError(
                f"The bundle zip packs {name!r} in an unusual way (method {info.compress_type}).\n"
                "Expected files stored or deflated: zip the bundle again, or use its folder."
            )
        if name.casefold() in folded:
            raise BundleError(f"The bundle zip holds {name!r} twice. Do not use it.")
        folded.add(name.casefold())
        if not info.is_dir() and name.split("/")[0] != _MAC_FOLDER:
            members[name] = info
    return members


def _unpack(source: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, budget: int) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with source.open(member) as stream, target.open("xb") as out:
        while chunk := stream.read(_CHUNK):
            written += len(chunk)
            if written > budget:
                raise BundleError(
                    "The bundle zip unpacks to far more than its size allows (a zip bomb?): over "
                    f"{MAX_RATIO} times its size or {MAX_TOTAL_BYTES // 1024**3} GiB. Do not use it."
                )
            out.write(chunk)
    return written


def zip_folder(root: Path, out: Path) -> None:
    """Write a folder's files as a zip that depends on names and contents only: sorted, no times, fixed
    rights."""
    with zipfile.ZipFile(out, "w", compression=zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for name, path in sorted(walk_files(root).items()):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            try:
                target.writestr(info, path.read_bytes(), compresslevel=9)
            except OSError as error:
                raise OutputError(f"Cannot write {out}: {error}.") from error


# --- ONNX: external data, found without the onnx package ------------------------------------------------

# message -> {field number: message}. Only the fields on the way to a tensor are followed (onnx.proto3).
_ONNX_FIELDS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_MAX_DEPTH = 64


def onnx_external_files(data: bytes) -> set[str]:
    """Locations of external tensor data that an ONNX file refers to, wherever they stand in the graph.

    Raises ValueError when the bytes are no well-formed protobuf.
    """
    found: set[str] = set()
    _walk_onnx(memoryview(data), "model", found, 0)
    return found


def _walk_onnx(data: memoryview, message: str, found: set[str], depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError("graphs nested too deeply")
    for number, value in _fields(data):
        child = _ONNX_FIELDS[message].get(number)
        if child is None or value is None:
            continue
        if child == "entry":
            entry = {key: bytes(text) for key, text in _fields(value) if text is not None}
            if entry.get(1) == b"location":
                found.add(entry.get(2, b"").decode("utf-8", errors="replace"))
        else:
            _walk_onnx(value, child, found, depth + 1)


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """Field numbers with the bytes of length-delimited fields (None for numbers)."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            _, at = _varint(data, at)
            yield key >> 3, None
            continue
        if wire == 2:
            size, at = _varint(data, at)
            yield key >> 3, data[at : at + size]
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        at += size
        if at > len(data):
            raise ValueError("truncated")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("bad number")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
