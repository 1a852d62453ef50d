"""Targets with drawn annotations: ``coco``, ``label-studio`` and ``cvat``; and run lengths: ``severstal``."""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from flawscope.data.convert.pixels import pieces
from flawscope.data.convert.writers import Converted, Folder, drawn_stack
from flawscope.images.rle import encode_rle

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


class CocoWriter:
    """``images/`` and ``annotations/instances.json``: run lengths, an instance a connected piece."""

    def __init__(self, folder: Folder, ignored: bool) -> None:
        self.folder = folder
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def add(self, item: Converted) -> None:
        """Write the image; keep its instances."""
        stack = drawn_stack(item, "coco")
        path = self.folder.write_image(item, f"images/{item.entry.name}", SUFFIXES)
        height, width = item.size_hw
        number = len(self.images) + 1
        file_name = path.removeprefix("images/")
        self.images.append({"id": number, "file_name": file_name, "width": width, "height": height})
        for channel, info in enumerate(self.folder.plan.classes):
            for piece, (top, left) in pieces(stack[..., channel]):
                plane = np.zeros(item.size_hw, np.bool_)
                plane[top : top + piece.shape[0], left : left + piece.shape[1]] = piece
                self.annotations.append(
                    {
                        "id": len(self.annotations) + 1,
                        "image_id": number,
                        "category_id": info.id,
                        "segmentation": {"size": [height, width], "counts": encode_rle(plane, "coco")},
                        "area": int(piece.sum()),
                        "bbox": [left, top, piece.shape[1], piece.shape[0]],
                        "iscrowd": 0,
                    }
                )

    def close(self) -> None:
        """Write the JSON file and ``dataset.toml``."""
        categories = [
            {"id": info.id, "name": info.name, "supercategory": "defect"} for info in self.folder.plan.classes
        ]
        content = {"images": self.images, "annotations": self.annotations, "categories": categories}
        self.folder.write_text("annotations/instances.json", json.dumps(content) + "\n")
        self.folder.describe("coco")


class LabelStudioWriter:
    """``images/``, ``label-studio.json`` (a brush label an image and class) and the labelling setup."""

    def __init__(self, folder: Folder, ignored: bool) -> None:
        self.folder = folder
        self.tasks: list[dict[str, Any]] = []

    def add(self, item: Converted) -> None:
        """Write the image; keep its task."""
        stack = drawn_stack(item, "label-studio")
        path = self.folder.write_image(item, f"images/{item.entry.name}", SUFFIXES)
        height, width = item.size_hw
        results = [
            {
                "id": f"{len(self.tasks) + 1}-{info.id}",
                "type": "brushlabels",
                "from_name": "tag",
                "to_name": "image",
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": {
                    "format": "rle",
                    "rle": json.loads(encode_rle(stack[..., channel], "label-studio")),
                    "brushlabels": [info.name],
                },
            }
            for channel, info in enumerate(self.folder.plan.classes)
            if stack[..., channel].any()
        ]
        self.tasks.append(
            {"id": len(self.tasks) + 1, "data": {"image": path}, "annotations": [{"result": results}]}
        )

    def close(self) -> None:
        """Write the tasks, the labelling setup and ``dataset.toml``."""
        self.folder.write_text("label-studio.json", json.dumps(self.tasks) + "\n")
        labels = "\n".join(
            f"    <Label value={quoteattr(info.name)} background={quoteattr(info.colour)}/>"
            for info in self.folder.plan.classes
        )
        self.folder.write_text(
            "labelling-setup.xml",
            '<View>\n  <Image name="image" value="$image"/>\n'
            f'  <BrushLabels name="tag" toName="image">\n{labels}\n  </BrushLabels>\n</View>\n',
        )
        self.folder.describe("label-studio")


class CvatWriter:
    """``images/`` and ``annotations.xml`` (CVAT for images 1.1): a mask a connected piece."""

    def __init__(self, folder: Folder, ignored: bool) -> None:
        self.folder = folder
        self.images: list[str] = []

    def add(self, item: Converted) -> None:
        """Write the image; keep its masks."""
        stack = drawn_stack(item, "cvat")
        path = self.folder.write_image(item, f"images/{item.entry.name}", SUFFIXES)
        height, width = item.size_hw
        name = quoteattr(path.removeprefix("images/"))
        lines = [f'  <image id="{len(self.images)}" name={name} width="{width}" height="{height}">']
        for channel, info in enumerate(self.folder.plan.classes):
            for piece, (top, left) in pieces(stack[..., channel]):
                text = encode_rle(piece, "cvat")
                counts = ", ".join(text.split(", ")[:-4])
                lines.append(
                    f'    <mask label={quoteattr(info.name)} source="manual" occluded="0" rle="{counts}"'
                    f' left="{left}" top="{top}" width="{piece.shape[1]}" height="{piece.shape[0]}"'
                    ' z_order="0"></mask>'
                )
        self.images.append("\n".join([*lines, "  </image>"]))

    def close(self) -> None:
        """Write ``annotations.xml`` and ``dataset.toml``."""
        labels = "\n".join(
            f"      <label><name>{quoteattr(info.name)[1:-1]}</name><color>{info.colour}</color></label>"
            for info in self.folder.plan.classes
        )
        head = f"  <meta><job><labels>\n{labels}\n  </labels></job></meta>"
        body = "\n".join(self.images)
        text = (
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
            f"{head}\n{body}\n</annotations>\n"
        )
        self.folder.write_text("annotations.xml", text)
        self.folder.describe("cvat")


class SeverstalWriter:
    """``train_images/*.jpg``; ``train.csv`` (``ImageId,ClassId,EncodedPixels``), a row an image and class."""

    def __init__(self, folder: Folder, ignored: bool) -> None:
        self.folder = folder
        self.rows: list[str] = ["ImageId,ClassId,EncodedPixels"]

    def add(self, item: Converted) -> None:
        """Write the image; keep its rows."""
        stack = drawn_stack(item, "severstal")
        path = self.folder.write_image(item, f"train_images/{item.entry.name}", (".jpg",))
        name = path.removeprefix("train_images/")
        quoted = '"' + name.replace('"', '""') + '"' if any(mark in name for mark in ',"\n') else name
        self.rows += [
            f"{quoted},{info.id},{encode_rle(stack[..., channel])}"
            for channel, info in enumerate(self.folder.plan.classes)
            if stack[..., channel].any()
        ]

    def close(self) -> None:
        """Write ``train.csv`` and ``dataset.toml``."""
        self.folder.write_text("train.csv", "\n".join(self.rows) + "\n")
        self.folder.describe("severstal")
