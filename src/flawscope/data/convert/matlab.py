"""Target ``crackforest``: truth in MATLAB files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from scipy.io import savemat
from scipy.ndimage import binary_erosion

from flawscope.data.convert.masks import one_class
from flawscope.data.convert.writers import Converted, Folder
from flawscope.errors import DataError
from flawscope.images.atomic import make_folder, write_bytes_atomic

SUFFIXES = (".jpg", ".png", ".jpeg", ".bmp", ".tif", ".tiff")
_BACKGROUND, _CRACK, _IGNORED = 1, 2, 4


class CrackforestWriter:
    """``image/`` and ``groundTruth/NAME.mat``: ``Segmentation`` of 1, 2 (crack) and 4 (ignore)."""

    def __init__(self, folder: Folder, ignored: bool) -> None:
        one_class(folder.plan, "crackforest")
        self.folder = folder

    def add(self, item: Converted) -> None:
        """Write the image and its MATLAB file."""
        if item.stack is None or item.ignored is None:
            raise DataError(f"{item.entry.sample.name}: has no mask.")
        # New files are PNG: a JPEG would not come back as it was.
        self.folder.write_image(item, f"image/{item.entry.name}", (".png", *SUFFIXES))
        crack = item.stack.any(axis=2)
        values = np.full(item.size_hw, _BACKGROUND, np.uint8)
        values[item.ignored] = _IGNORED
        values[crack] = _CRACK
        inner = binary_erosion(np.asarray(crack, np.uint8))
        edges = np.asarray(crack & ~inner, np.uint8)
        buffer: Any = io.BytesIO()
        truth = {"groundTruth": {"Segmentation": values, "Boundaries": edges}}
        savemat(buffer, truth, do_compression=True)
        target = self.folder.root / "groundTruth" / f"{item.entry.name}.mat"
        make_folder(target.parent)
        write_bytes_atomic(target, buffer.getvalue())

    def close(self) -> None:
        """Write ``dataset.toml``."""
        self.folder.describe("crackforest")
