"""What the bundled model says of itself: how far graph and tiles differ on real images, and its card.

The graph is compared with the network of the weights, and tiles with the whole image, on every N-th image of
the train parts of CrackSC and masonry. --write puts both and the card, the README.md beside the bundle less
its sample images, into the bundle; network, threshold and areas stay as they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from choose_default import SETS
from common import Figures, data_folder, machine, make_parser, say, write_result

CARD = "card.md"
_SAMPLES = "\n## The sample images\n"


def measure(options: argparse.Namespace) -> Figures:
    """Largest difference in probability of each set, and how many images were looked at."""
    from flawscope.bundle import Bundle
    from flawscope.data.open import open_dataset
    from flawscope.inspection.runtimes import make_runtime
    from flawscope.inspection.seams import measure_seam_difference
    from flawscope.training.bundle_writer import check_parity

    bundle = Bundle.load(options.model)
    spec, classes = bundle.manifest.input, len(bundle.classes)
    graph, network = (make_runtime(bundle, name=name) for name in ("onnx", "torch"))
    figures: Figures = {}
    for name in SETS:
        dataset = open_dataset(options.data / name).part("train")
        images = [sample.image() for sample in list(dataset.samples)[:: options.every]]
        figures[name] = {
            "images": len(images),
            "parity_difference": check_parity(network, graph, images, spec, classes),
            "seam_difference": measure_seam_difference(graph, images, spec, classes),
        }
        say(f"{name}: {figures[name]}")
    return figures


def card_of(text: str) -> str:
    """The card inside the bundle: the README less what it says of the sample images, which lie elsewhere."""
    return text.partition(_SAMPLES)[0].rstrip() + "\n"


def describe(path: Path, figures: Figures, card: str) -> None:
    """Write the larger differences of both sets, what they were measured on, and the card into the bundle."""
    from flawscope.bundle import Bundle
    from flawscope.evaluation.report import rewrite

    bundle = Bundle.load(path)
    told = {
        key: max(part[key] for part in figures.values()) for key in ("parity_difference", "seam_difference")
    }
    counts = " and ".join(f"{part['images']} of {name}" for name, part in figures.items())
    where = (
        f"photographs of the train parts: {counts}; for the seams continued by their mirror image to "
        "two tiles a side"
    )
    manifest = bundle.manifest.model_copy(update={**told, "differences_data": where})
    rewrite(bundle, manifest, {CARD: card.encode()})


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked."""
    from flawscope.inspection.default_model import default_bundle_path

    parser = make_parser(__doc__)
    parser.add_argument("--model", type=Path, default=default_bundle_path(), help="default: the bundled one")
    parser.add_argument("--every", type=int, default=8, help="take every N-th image (default 8)")
    parser.add_argument("--write", action="store_true", help="write differences and card into the bundle")
    options = parser.parse_args(arguments)
    options.data = data_folder(options.data, *SETS)
    return options


def main() -> None:
    """Measure, and write when asked to."""
    options = parse()
    figures = measure(options)
    write_result(options.json, figures, machine())
    if options.write:
        card = options.model.parent / "README.md"
        describe(options.model, figures, card_of(card.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
