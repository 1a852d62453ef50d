"""Draws the bundled sample images and the pictures of README.md; all of them are synthetic.

python docs/pictures.py [samples] [readme]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from flawscope.bundle import Bundle
from flawscope.data.synthetic.concrete import render_concrete
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
SEEDS = {"asphalt": 925, "brick": 916, "clean": 902, "concrete": 905, "plaster": 906}


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


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["samples", "readme"]
    if "samples" in wanted:
        draw_samples()
    if "readme" in wanted:
        draw_readme()
