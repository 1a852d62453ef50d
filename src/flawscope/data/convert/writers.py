"""What every target shares: where images and masks are written, and what is said beside them."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.data.convert.grouping import fitting_rule, has_groups
from flawscope.data.convert.pixels import Stack
from flawscope.data.convert.plan import Entry, Plan
from flawscope.errors import DataError
from flawscope.images.atomic import make_folder, output_error, write_bytes_atomic, write_text_atomic
from flawscope.types import RgbImage

JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """One image ready to be written."""

    entry: Entry
    image: RgbImage | None
    """H x W x 3 uint8; None where the file is copied as it is."""
    size_hw: tuple[int, int]
    stack: Stack | None = None
    """H x W x C bool; None for classified images."""
    ignored: npt.NDArray[np.bool_] | None = None
    labels: tuple[int, ...] = ()


class Writer(Protocol):
    """Writes one layout into a folder that is moved in place when all is there."""

    def add(self, item: Converted) -> None:
        """Write one image with its truth."""

    def close(self) -> None:
        """Write what stands once for the set."""


@dataclass(slots=True)
class Folder:
    """The folder being filled, and what was done to images on the way."""

    root: Path
    plan: Plan
    notes: Counter[str] = field(default_factory=Counter)
    renamed: dict[str, str] = field(default_factory=dict)
    """Names that the layout does not keep -> the names that it gives."""

    def write_image(self, item: Converted, stem: str, suffixes: tuple[str, ...]) -> str:
        """Write an image below the root, byte for byte where it may keep its form; returns its path there.

        ``suffixes``: forms that the layout takes; the first is used where a file cannot be copied.
        """
        path = Path(item.entry.sample.image_path)
        suffix = path.suffix.lower()
        if item.image is None and suffix in suffixes:
            target = self.root / f"{stem}{suffix}"
            make_folder(target.parent)
            try:
                shutil.copyfile(path, target)
            except OSError as error:
                raise output_error(target, error) from error
            return f"{stem}{suffix}"
        pixels = item.image if item.image is not None else item.entry.sample.image()
        target = self.root / f"{stem}{suffixes[0]}"
        make_folder(target.parent)
        buffer = io.BytesIO()
        if suffixes[0] == ".jpg":
            self.notes["written anew as JPEG"] += 1
            Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        else:
            Image.fromarray(pixels).save(buffer, "PNG")
        write_bytes_atomic(target, buffer.getvalue())
        return f"{stem}{suffixes[0]}"

    def write_png(self, stem: str, pixels: npt.NDArray[np.uint8]) -> None:
        """Write an 8-bit picture below the root."""
        target = self.root / f"{stem}.png"
        make_folder(target.parent)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", optimize=False)
        write_bytes_atomic(target, buffer.getvalue())

    def write_text(self, name: str, text: str) -> None:
        """Write a text file below the root."""
        make_folder((self.root / name).parent)
        write_text_atomic(self.root / name, text)

    def describe(self, layout: str, mask_values: dict[str, str] | None = None) -> None:
        """Write ``dataset.toml`` with source, layout, grouping, classes and mask values."""
        lines = [f"source = {_quoted(self.plan.source)}", f'layout = "{layout}"']
        if has_groups(self.plan):
            rule = fitting_rule(self.plan, self.renamed)
            if rule:
                lines.append(f"group = {_quoted(rule)}")
            else:
                self.notes[
                    "without their group, which no rule of the new names gives; see split --group"
                ] += sum(bool(entry.sample.group) for entry in self.plan.entries)
        for info in self.plan.classes:
            lines += ["", "[[classes]]", f"name = {_quoted(info.name)}"]
            lines += [f'kind = "{info.kind}"', f'colour = "{info.colour}"']
        if mask_values:
            lines += ["", "[mask_values]"]
            lines += [f"{_quoted(value)} = {_quoted(name)}" for value, name in mask_values.items()]
        self.write_text("dataset.toml", "\n".join(lines) + "\n")


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False)


def drawn_stack(item: Converted, layout: str) -> Stack:
    """The planes of an image for a layout of drawn objects, which cannot say *ignore*. Raises DataError."""
    refuse_ignored(item, layout)
    if item.stack is None:
        raise DataError(f"{item.entry.sample.name}: has no mask.")
    return item.stack


def refuse_ignored(item: Converted, layout: str) -> None:
    """Raise DataError where pixels are marked *ignore* and the layout cannot say so."""
    if item.ignored is not None and item.ignored.any():
        raise DataError(
            f"{item.entry.sample.name}: {int(item.ignored.sum())} pixels are marked 'ignore', which {layout}"
            " cannot say.\nChoose image-mask, kaggle-cracks or crackforest, or count them as background with"
            " --ignored background."
        )


def refuse_overlap(item: Converted, layout: str) -> None:
    """Raise DataError where classes overlap and the layout has one class a pixel."""
    if item.stack is not None and item.stack.shape[2] > 1:
        shared = int((item.stack.sum(axis=2) > 1).sum())
        if shared:
            raise DataError(
                f"{item.entry.sample.name}: classes overlap at {shared} pixels; {layout} has one class a"
                " pixel.\nChoose coco, severstal, yolo, label-studio or cvat."
            )
