"""Counting components of real predictions at 1,000 thresholds: one pass against labelling at each.

The bundled model's probabilities on real crack images; the counts of both ways must be equal.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from common import Figures, data_folder, fail, make_parser, say, write_result


def measure(data: Path, images: int, thresholds: int, neighbours: int = 8) -> Figures:
    """Seconds an image of both ways, medians over images. Ends the program where the counts differ."""
    import numpy as np
    from scipy import ndimage

    from flawscope.data.open import open_dataset
    from flawscope.evaluation.component_curve import component_curve
    from flawscope.inspection.default_model import default_bundle_path
    from flawscope.inspection.inspector import Inspector

    structure = np.ones((3, 3), bool) if neighbours == 8 else None
    inspector = Inspector(default_bundle_path())
    fast, slow, sizes = [], [], []
    for sample in open_dataset(data).samples[:images]:
        plane = inspector.predict_probability(sample.image())[0]
        at = np.linspace(float(plane.min()), float(plane.max()), thresholds)
        began = time.process_time()
        counts = component_curve(plane, neighbours).count(at)  # type: ignore[arg-type]
        fast.append(time.process_time() - began)
        began = time.process_time()
        labelled = [ndimage.label(plane >= t, structure)[1] for t in at]
        slow.append(time.process_time() - began)
        sizes.append(plane.size)
        if counts.tolist() != labelled:
            fail(f"{sample.name}: the counts differ.")
    return {
        "images": len(fast),
        "median_px": statistics.median(sizes),
        "thresholds": thresholds,
        "neighbours": neighbours,
        "one_pass_s": statistics.median(fast),
        "labelling_s": statistics.median(slow),
        "times_faster": statistics.median(a / b for a, b in zip(slow, fast, strict=True)),
        "times_faster_least": min(a / b for a, b in zip(slow, fast, strict=True)),
    }


def main() -> None:
    """Measure on one set."""
    parser = make_parser(__doc__)
    parser.add_argument("--set", default="cfd", help="image set (default cfd)")
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--thresholds", type=int, default=1000)
    parser.add_argument("--neighbours", type=int, choices=(4, 8), default=8)
    options = parser.parse_args()
    folder = data_folder(options.data, options.set) / options.set
    figures = {"set": options.set, **measure(folder, options.images, options.thresholds, options.neighbours)}
    say(
        f"{figures['thresholds']} thresholds: one pass {1000 * figures['one_pass_s']:.0f} ms, labelling "
        f"{figures['labelling_s']:.2f} s: {figures['times_faster']:.0f} times faster "
        f"(least {figures['times_faster_least']:.0f})"
    )
    write_result(options.json, figures)


if __name__ == "__main__":
    main()
