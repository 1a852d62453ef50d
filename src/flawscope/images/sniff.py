"""What a file holds, told from its first bytes, not from its name."""

from __future__ import annotations

from pathlib import PurePath

from flawscope.errors import ImageError

HEAD_BYTES = 4096
"""How much of a file ``sniff`` wants to see."""

SUFFIXES: dict[str, frozenset[str]] = {
    "JPEG": frozenset({".jpg", ".jpeg", ".jpe", ".jfif"}),
    "PNG": frozenset({".png"}),
    "TIFF": frozenset({".tif", ".tiff"}),
    "BMP": frozenset({".bmp"}),
    "GIF": frozenset({".gif"}),
    "WEBP": frozenset({".webp"}),
    "JPEG2000": frozenset({".jp2", ".j2k", ".jpx"}),
    "PPM": frozenset({".ppm", ".pgm", ".pbm", ".pnm"}),
}
"""Image formats that are read, named as Pillow names them, with the suffixes they go by."""

_UNREADABLE_SUFFIXES = frozenset({".heic", ".heif", ".avif"})
IMAGE_SUFFIXES = frozenset().union(*SUFFIXES.values()) | _UNREADABLE_SUFFIXES
"""Suffixes that name an image. HEIC and AVIF are images too, though they are refused with advice."""

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"BM", "BMP"),
    (b"GIF8", "GIF"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF", "an HDF5 file"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"\x93NUMPY", "a NumPy array"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"avif")


def is_image_name(path: str | PurePath) -> bool:
    """True when the name looks like an image's; hidden files (``._photo.jpg``) do not count."""
    pure = PurePath(path)
    return pure.suffix.lower() in IMAGE_SUFFIXES and not pure.name.startswith(".")


def sniff(head: bytes) -> str:
    """Name what the first bytes of a file show: a key of ``SUFFIXES``, or words such as ``plain text``."""
    if not head:
        return "nothing"
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF":
        return "WEBP" if head[8:12] == b"WEBP" else "an audio or video file"
    if head[4:8] == b"ftyp":
        return "a HEIC or AVIF photograph" if head[8:12] in _HEIF_BRANDS else "a video"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PPM"
    return _sniff_text(head)


def _sniff_text(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<svg", b"<?xml")) or b"<svg" in start[:1024]:
        return "an SVG drawing" if b"<svg" in start else "an XML file"
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the file itself"
    if not head.strip(b"\x00"):
        return "zero bytes only"
    printable = sum(byte >= 32 or byte in (9, 10, 13) for byte in head)
    return "plain text" if b"\x00" not in head and printable > 0.97 * len(head) else "unknown bytes"


def expect_image(path: str | PurePath, head: bytes) -> str:
    """Return the format (a key of ``SUFFIXES``) of a file that holds what its name says.

    Raises:
        ImageError: the file is empty, no image, or an image of another format than its suffix says.
    """
    pure = PurePath(path)
    kind = sniff(head)
    if kind == "nothing":
        raise ImageError(f"{path}: the file is empty.\nExpected an image; copy it again from its source.")
    if kind not in SUFFIXES:
        advice = "convert it to JPEG, PNG or TIFF" if "photograph" in kind else "remove or replace the file"
        raise ImageError(f"{path}: holds {kind}.\nExpected an image as the name says; {advice}.")
    suffix = pure.suffix.lower()
    if suffix in IMAGE_SUFFIXES and suffix not in SUFFIXES[kind]:
        right = sorted(SUFFIXES[kind], key=len)[0]
        raise ImageError(
            f"{path}: holds {kind} data, but is named {suffix}.\n"
            f"Expected content and name to agree; rename it to {pure.stem}{right}."
        )
    return kind
