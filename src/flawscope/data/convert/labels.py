"""Targets for classified images: ``csv-labels`` and ``image-folder``."""

from __future__ import annotations

import csv
import io

from flawscope.data.convert.writers import Converted, Folder
from flawscope.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


class CsvLabelsWriter:
    """``images/`` and ``labels.csv`` with ``file,class``; several classes of an image between semicolons."""

    def __init__(self, folder: Folder, ignored: bool) -> None:
        self.folder = folder
        self.names = {info.id: info.name for info in folder.plan.classes}
        self.rows: list[tuple[str, str]] = []
        wrong = next((name for name in self.names.values() if ";" in name), None)
        if wrong is not None:
            raise DataError(f"The class '{wrong}' holds a semicolon, which separates classes in csv-labels.")

    def add(self, item: Converted) -> None:
        """Write the image; keep its row."""
        if not item.labels:
            raise DataError(f"{item.entry.sample.name}: has no class; csv-labels needs one an image.")
        path = self.folder.write_image(item, f"images/{item.entry.name}", SUFFIXES)
        self.rows.append((path, ";".join(self.names[number] for number in item.labels)))

    def close(self) -> None:
        """Write ``labels.csv`` and ``dataset.toml``."""
        buffer = io.StringIO()
        table = csv.writer(buffer, lineterminator="\n")
        table.writerow(("file", "class"))
        table.writerows(self.rows)
        self.folder.write_text("labels.csv", buffer.getvalue())
        self.folder.describe("csv-labels")


class ImageFolderWriter:
    """``CLASS/NAME.*``: a folder a class."""

    def __init__(self, folder: Folder, ignored: bool) -> None:
        self.folder = folder
        self.names = {info.id: info.name for info in folder.plan.classes}
        wrong = next((name for name in self.names.values() if "/" in name or name.startswith(".")), None)
        if wrong is not None:
            raise DataError(f"The class '{wrong}' cannot name a folder.\nRename it with --map {wrong}=NAME.")

    def add(self, item: Converted) -> None:
        """Write the image into the folder of its class. Raises DataError for several classes or none."""
        if len(item.labels) != 1:
            raise DataError(
                f"{item.entry.sample.name}: has {len(item.labels)} classes; image-folder needs one an image."
                "\nChoose csv-labels."
            )
        name = f"{self.names[item.labels[0]]}/{item.entry.name}"
        self.folder.write_image(item, name, SUFFIXES)
        self.folder.renamed[item.entry.name] = name

    def close(self) -> None:
        """Write ``dataset.toml``."""
        self.folder.describe("image-folder")
