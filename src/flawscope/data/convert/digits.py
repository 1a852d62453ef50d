"""Target ``idx``: grey images of one size in the files of MNIST."""

from __future__ import annotations

import gzip
import struct

from flawscope.data.convert.writers import Converted, Folder
from flawscope.data.layouts.idx import IMAGES_MAGIC, LABELS_MAGIC, PREFIX_OF_PART
from flawscope.errors import DataError
from flawscope.images.atomic import write_bytes_atomic

_MOST_CLASSES = 256


class IdxWriter:
    """``train-*`` and ``t10k-*`` (the part ``test``), gzipped; samples are named by part and number."""

    def __init__(self, folder: Folder, ignored: bool) -> None:
        self.folder = folder
        self.size_hw: tuple[int, int] | None = None
        self.images: dict[str, bytearray] = {}
        self.labels: dict[str, bytearray] = {}
        count = max((info.id for info in folder.plan.classes), default=0) + 1
        if count > _MOST_CLASSES:
            raise DataError(f"idx has one byte a label; here are {count} classes.\nChoose csv-labels.")

    def add(self, item: Converted) -> None:
        """Keep the image and its class. Raises DataError where the files cannot hold it."""
        name, image = item.entry.sample.name, item.image
        if image is None:
            image = item.entry.sample.image()
        if len(item.labels) != 1:
            raise DataError(
                f"{name}: has {len(item.labels)} classes; idx needs one an image.\nChoose csv-labels."
            )
        if (image != image[..., :1]).any():
            raise DataError(f"{name}: has colour; idx holds grey images.\nChoose csv-labels or image-folder.")
        self.size_hw = self.size_hw or item.size_hw
        if item.size_hw != self.size_hw:
            raise DataError(
                f"{name}: is {item.size_hw[1]} x {item.size_hw[0]} px, the images before it "
                f"{self.size_hw[1]} x {self.size_hw[0]}; idx has one size.\nGive --size HxW."
            )
        part = "test" if item.entry.part == "test" else "train"
        labels = self.labels.setdefault(part, bytearray())
        self.folder.renamed[item.entry.name] = f"{part}/{len(labels):05d}"
        labels.append(item.labels[0])
        self.images.setdefault(part, bytearray()).extend(image[..., 0].tobytes())

    def close(self) -> None:
        """Write the files and ``dataset.toml``."""
        height, width = self.size_hw or (0, 0)
        for part, labels in self.labels.items():
            prefix, count = PREFIX_OF_PART[part], len(labels)
            files = {
                "images-idx3": struct.pack(">4I", IMAGES_MAGIC, count, height, width) + self.images[part],
                "labels-idx1": struct.pack(">2I", LABELS_MAGIC, count) + labels,
            }
            for name, content in files.items():
                # No time stamp: the same set gives the same bytes.
                packed = gzip.compress(content, mtime=0)
                write_bytes_atomic(self.folder.root / f"{prefix}-{name}-ubyte.gz", packed)
        self.folder.describe("idx")
