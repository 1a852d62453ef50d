"""Draws the bundled sample images and the pictures of README.md; all of them are synthetic.

python docs/pictures.py [samples] [readme] [stochastic-width] [random-augment]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from flawscope.bundle import Bundle
from flawscope.data.synthetic.canvas import SynthImage
from flawscope.data.synthetic.concrete import ConcreteOptions, render_concrete
from flawscope.images.atomic import atomic_path
from flawscope.images.sources import read_image
from flawscope.inspection.default_model import default_bundle_path
from flawscope.inspection.inspector import Inspector
from flawscope.reporting.overlay import draw_overlay
from flawscope.types import Scale

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "src/flawscope/bundled/samples"
SIZE_HW = (480, 640)
# Seeds chosen by eye: four surfaces with cracks of different kinds, and one without a crack.
CRACKED_SEED = 3
SEEDS = {"asphalt": 913, "brick": 918, "clean": 912, "concrete": 905, "plaster": 906}


def draw_samples() -> None:
    """Write the sample images as JPEG."""
    SAMPLES.mkdir(parents=True, exist_ok=True)
    for name, seed in SEEDS.items():
        with atomic_path(SAMPLES / f"{name}.jpg") as path:
            Image.fromarray(render_concrete(seed, SIZE_HW).image).save(path, format="JPEG", quality=90)


def draw_readme() -> None:
    """Write docs/images/inspection.png: photographs above, what the bundled model found on them below."""
    bundle = Bundle.load(default_bundle_path())
    inspector = Inspector(bundle)
    columns = []
    for name in ("concrete", "brick", "asphalt"):
        image = read_image(SAMPLES / f"{name}.jpg").pixels
        inspection = inspector.inspect(image, scale=Scale(0.5))
        overlay = draw_overlay(image, inspection.findings, bundle.classes, scale=inspection.scale)
        columns.append(np.vstack([image, overlay]))
    out = ROOT / "docs/images/inspection.png"
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(out) as path:
        picture = Image.fromarray(np.hstack(columns)).resize((1440, 720), Image.Resampling.LANCZOS)
        picture.quantize(256).save(path, format="PNG", optimize=True)


def _cracked(size_px: int = 224) -> SynthImage:
    """A crack on plain concrete, as wide as most masks of road images draw it."""
    options = ConcreteOptions(
        clean_share=0.0, materials={"concrete": 1.0}, distractors=False, rescale_share=0
    )
    return render_concrete(CRACKED_SEED, (size_px, size_px), options)


def _labelled(picture: npt.NDArray[np.uint8], text: str) -> npt.NDArray[np.uint8]:
    """The picture over a line of text, on white."""
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    page = Image.new("RGB", (picture.shape[1] + 8, picture.shape[0] + 26), "white")
    page.paste(Image.fromarray(picture), (4, 4))
    ImageDraw.Draw(page).text((6, picture.shape[0] + 8), text, fill="black", font=ImageFont.load_default(12))
    return np.asarray(page)


def _save(rows: list[list[npt.NDArray[np.uint8]]], name: str) -> None:
    sheet = np.vstack([np.hstack(row) for row in rows])
    with atomic_path(ROOT / "docs/images" / name) as path:
        Image.fromarray(sheet).quantize(200).save(path, format="PNG", optimize=True)


def draw_stochastic_width() -> None:
    """Write docs/images/stochastic-width.png: an image, its mask, and the mask after each square."""
    from flawscope.training.stochastic_width import widen

    drawn = _cracked()
    row = [_labelled(drawn.image, "image")]
    for k, text in enumerate(
        ("mask 0: as drawn", "mask 1: 3 x 3", "mask 2: then 5 x 5", "mask 3: then 8 x 8")
    ):
        row.append(_labelled((widen(drawn.mask, (3, 5, 8)[:k]) > 0).astype(np.uint8) * 255, text))
    _save([row], "stochastic-width.png")


def draw_random_augment() -> None:
    """Write docs/images/random-augment.png: the nineteen steps at magnitudes .5 and 1, mask in yellow."""
    from flawscope.training.augment import build_augment
    from flawscope.training.augment_config import RANDOM_STEPS, AugmentConfig

    drawn = _cracked(160)
    still = {"flip_horizontal": 0.0, "flip_vertical": 0.0, "rotate90": 0.0}
    tiles = [_labelled(_outlined(drawn.image, drawn.mask), "as it is")]
    for name in RANDOM_STEPS:
        for magnitude in (0.5, 1.0):
            random = {"n": 1, "magnitude": magnitude, "pool": (name,)}
            augment = build_augment(AugmentConfig.model_validate({**still, "random": random}))
            assert augment is not None
            # Of a dozen draws the one that shows the most.
            drawings = [augment(drawn.image, drawn.mask, np.random.default_rng(seed)) for seed in range(12)]
            varied = max(drawings, key=lambda one: np.abs(one[0].astype(int) - drawn.image).mean())
            tiles.append(_labelled(_outlined(*varied), f"{name} {magnitude:g}"[:26]))
    tiles.append(np.full_like(tiles[0], 255))
    _save([tiles[k : k + 8] for k in range(0, len(tiles), 8)], "random-augment.png")


def _outlined(image: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The image with the edge of its mask in yellow, and ignored pixels darkened."""
    out = image.copy()
    crack = mask == 1
    out[ndimage.binary_dilation(crack, iterations=2) & ~ndimage.binary_dilation(crack)] = (255, 212, 0)
    out[mask == 255] //= 2
    return out


PICTURES = {
    "samples": draw_samples,
    "readme": draw_readme,
    "stochastic-width": draw_stochastic_width,
    "random-augment": draw_random_augment,
}

if __name__ == "__main__":
    for wanted in sys.argv[1:] or PICTURES:
        PICTURES[wanted]()
