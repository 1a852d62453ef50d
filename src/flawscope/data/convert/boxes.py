"""Targets with an object a connected piece: ``yolo`` (outlines) and ``voc`` (boxes)."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

import numpy as np

from flawscope.data.convert.outlines import outline
from flawscope.data.convert.pixels import pieces
from flawscope.data.convert.writers import Converted, Folder, drawn_stack

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


class YoloWriter:
    """``images/PART/`` and ``labels/PART/NAME.txt``: an outline along pixel edges a connected piece.

    Parts become folders, as trainers of that format expect; ``data.yaml`` names them and the classes.
    """

    def __init__(self, folder: Folder, ignored: bool) -> None:
        self.folder = folder

    def add(self, item: Converted) -> None:
        """Write the image and its rows; clean images get an empty file."""
        stack = drawn_stack(item, "yolo")
        stem = f"{item.entry.part}/{item.entry.name}" if item.entry.part else item.entry.name
        self.folder.write_image(item, f"images/{stem}", SUFFIXES)
        sides = np.array([item.size_hw[1], item.size_hw[0]])
        rows = []
        for number in range(stack.shape[2]):
            for piece, (top, left) in pieces(stack[..., number]):
                shares = np.add(outline(piece), (left, top)) / sides
                rows.append(f"{number} " + " ".join(f"{value:.9g}" for value in shares.ravel().tolist()))
        self.folder.write_text(f"labels/{stem}.txt", "".join(f"{row}\n" for row in rows))

    def close(self) -> None:
        """Write ``data.yaml`` and ``dataset.toml``."""
        parts = sorted({entry.part for entry in self.folder.plan.entries if entry.part})
        lines = [f"{part}: images/{part}" for part in parts] or ["train: images", "val: images"]
        names = [json.dumps(info.name, ensure_ascii=False) for info in self.folder.plan.classes]
        lines += ["names:", *(f"  {number}: {name}" for number, name in enumerate(names))]
        # Without a path the folders are those beside the file; "." would be where the trainer runs.
        self.folder.write_text("data.yaml", "\n".join(lines) + "\n")
        self.folder.describe("yolo")


class VocWriter:
    """``JPEGImages/`` and ``Annotations/NAME.xml``: a box a connected piece. The outlines are lost."""

    def __init__(self, folder: Folder, ignored: bool) -> None:
        self.folder = folder

    def add(self, item: Converted) -> None:
        """Write the image and its XML file."""
        stack = drawn_stack(item, "voc")
        path = self.folder.write_image(item, f"JPEGImages/{item.entry.name}", SUFFIXES)
        height, width = item.size_hw
        objects = [
            _voc_object(info.name, top, left, piece.shape)
            for number, info in enumerate(self.folder.plan.classes)
            for piece, (top, left) in pieces(stack[..., number])
        ]
        if objects:
            self.folder.notes["with boxes instead of outlines"] += 1
        name = escape(path.removeprefix("JPEGImages/"))
        size = f"<width>{width}</width><height>{height}</height><depth>3</depth>"
        text = (
            f"<annotation>\n  <folder>JPEGImages</folder>\n  <filename>{name}</filename>\n"
            f"  <size>{size}</size>\n{''.join(objects)}</annotation>\n"
        )
        self.folder.write_text(f"Annotations/{item.entry.name}.xml", text)

    def close(self) -> None:
        """Write ``dataset.toml``."""
        self.folder.describe("voc")


def _voc_object(name: str, top: int, left: int, size_hw: tuple[int, ...]) -> str:
    # Pixels are numbered from 1 and the last one belongs to the box.
    sides = {"xmin": left + 1, "ymin": top + 1, "xmax": left + size_hw[1], "ymax": top + size_hw[0]}
    box = "".join(f"<{side}>{value}</{side}>" for side, value in sides.items())
    return f"  <object><name>{escape(name)}</name><bndbox>{box}</bndbox></object>\n"
