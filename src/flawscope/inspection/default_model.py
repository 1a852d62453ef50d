"""The bundle and the sample images that come with flawscope."""

from __future__ import annotations

from pathlib import Path

from flawscope.errors import BundleError

_HOME = Path(__file__).resolve().parent.parent / "bundled"


def default_bundle_path() -> Path:
    """The bundled model: a zip, or a folder in a working copy. BundleError when this installation has
    none."""
    for path in (_HOME / "default.flawscope", _HOME / "default"):
        if path.exists():
            return path
    raise BundleError(
        f"This installation has no bundled model (looked in {_HOME}).\n"
        "Name one with --model, or install flawscope again."
    )


def sample_images_folder() -> Path:
    """The folder of the bundled sample images. BundleError when this installation has none."""
    folder = _HOME / "samples"
    if not folder.is_dir() or not any(folder.iterdir()):
        raise BundleError(
            f"This installation has no sample images (looked in {folder}).\nInstall flawscope again."
        )
    return folder
