"""Targets with mask files: ``image-mask`` and ``kaggle-cracks``."""

from __future__ import annotations

from flawscope.data.convert.pixels import index_mask
from flawscope.data.convert.plan import Plan
from flawscope.data.convert.writers import Converted, Folder, refuse_overlap
from flawscope.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def one_class(plan: Plan, layout: str) -> None:
    """Raise DataError for several classes where the layout has one."""
    names = [info.name for info in plan.classes]
    if len(names) > 1:
        raise DataError(
            f"{layout} has one class; here are {', '.join(names)}.\n"
            f"Make them one, e.g. --map {names[1]}={names[0]}."
        )


class ImageMaskWriter:
    """``images/NAME.*`` and ``masks/NAME.png``: 0 / 255 for one class, class indices for several.

    255 means *ignore* beside class indices; ``dataset.toml`` says what each value means.
    """

    def __init__(self, folder: Folder, ignored: bool) -> None:
        self.folder = folder
        self.binary = len(folder.plan.classes) == 1 and not ignored
        self.ignored = ignored

    def add(self, item: Converted) -> None:
        """Write image and mask. Raises DataError where classes overlap."""
        self.write(item, f"images/{item.entry.name}", f"masks/{item.entry.name}")

    def write(self, item: Converted, image_stem: str, mask_stem: str) -> None:
        """Write image and mask under these names."""
        refuse_overlap(item, "image-mask")
        if item.stack is None or item.ignored is None:
            raise DataError(f"{item.entry.sample.name}: has no mask.")
        self.folder.write_image(item, image_stem, SUFFIXES)
        index = index_mask(item.stack, item.ignored)
        self.folder.write_png(mask_stem, index * 255 if self.binary else index)

    def close(self) -> None:
        """Write ``dataset.toml``."""
        self.folder.describe("image-mask", self.values())

    def values(self) -> dict[str, str]:
        """Mask value -> class name."""
        names = [info.name for info in self.folder.plan.classes]
        values = {"255": names[0]} if self.binary else {str(i): name for i, name in enumerate(names, 1)}
        return {"0": "background", **values, **({"255": "ignore"} if self.ignored else {})}


class KaggleCracksWriter(ImageMaskWriter):
    """``train|test/{images,masks}``; names begin with the source set, clean ones with noncrack."""

    def __init__(self, folder: Folder, ignored: bool) -> None:
        super().__init__(folder, ignored)
        one_class(folder.plan, "kaggle-cracks")

    def add(self, item: Converted) -> None:
        """Write image and mask into the folder of their part (``test``; all others go to ``train``)."""
        part = "test" if item.entry.part == "test" else "train"
        self.write(item, f"{part}/images/{item.entry.name}", f"{part}/masks/{item.entry.name}")

    def close(self) -> None:
        """Write ``dataset.toml``."""
        self.folder.describe("kaggle-cracks", self.values())
