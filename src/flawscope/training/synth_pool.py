"""A pool of procedural images for training: rendered by several processes, renewed from epoch to epoch.

Which image stands at which place in which epoch follows from the seed alone (and, where cracks are drawn on
the training photographs, from these), so a resumed run sees the same.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from flawscope.data import synthetic
from flawscope.data.synthetic.concrete import ConcreteOptions, render_concrete
from flawscope.data.synthetic.cracks import CrackOptions
from flawscope.data.synthetic.fill import FILLS
from flawscope.data.synthetic.kinds import kind_named
from flawscope.data.synthetic.painted import paint_cracks
from flawscope.data.synthetic.paths import PATHS
from flawscope.errors import ConfigError, TrainingError
from flawscope.images.atomic import atomic_path
from flawscope.training.config import SynthConfig
from flawscope.training.store import PictureStore, Source
from flawscope.types import Mask, RgbImage, Sample

_TRAIN, _VALIDATION, _PART = 3, 4, 6
"""Streams of seeds, so that no validation image is ever trained on."""
_ALONE = 4
"""Up to this many images are rendered here; starting processes would take longer."""
_AT_ONCE = 64
"""So many images are given to the processes before the next are read."""

Report = Callable[[int, int], None]
"""Called with (done, all) while images are rendered."""


@dataclass(frozen=True)
class Recipe:
    """What one rendered image follows from."""

    kind: str
    seed: int
    size_hw: tuple[int, int]
    options: tuple[tuple[str, Any], ...]
    """Options of the generator, as pairs, so that recipes can be compared."""
    ground: int | None = None
    """Number of the photograph that is drawn on; None = a surface of the generator."""
    distractors: tuple[tuple[str, float], ...] = ()
    """What fools on photographs, as pairs of a name and the share of pictures that show it."""


def render(recipe: Recipe) -> tuple[RgbImage, Mask]:
    """Draw one image: H x W x 3 uint8 and its mask H x W uint8, class ids."""
    if not recipe.options:
        drawn = kind_named(recipe.kind).render(recipe.seed, recipe.size_hw)
        return drawn.image, drawn.mask
    if recipe.kind != "concrete":
        raise ConfigError(f"data.synth.options are for kind 'concrete', not {recipe.kind!r}; leave them out.")
    drawn = render_concrete(recipe.seed, recipe.size_hw, concrete_options(dict(recipe.options)))
    return drawn.image, drawn.mask


def concrete_options(given: Mapping[str, Any]) -> Any:
    """Return the generator's options from plain values. Raises ConfigError for unknown names."""
    options = dict(given)
    cracks = options.pop("cracks", None)
    built = _build(ConcreteOptions, options, "data.synth.options")
    return replace(built, cracks=_cracks(cracks, "data.synth.options.cracks")) if cracks else built


def _cracks(given: Mapping[str, Any], where: str) -> Any:
    for key, known in (("path", PATHS), ("fill", FILLS)):
        name = given.get(key)
        if name is not None and name not in known:
            raise ConfigError(f"{where}.{key} is {name!r}; expected one of {', '.join(known)}.")
    return _build(CrackOptions, given, where)


def _build(kind: Any, options: Mapping[str, Any], where: str) -> Any:
    known = [item.name for item in fields(kind)]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ConfigError(f"unknown key {where}.{unknown[0]!r}. Known here: {', '.join(known)}")
    pairs = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    return kind(**pairs)


def crack_options(given: Mapping[str, Any]) -> CrackOptions | None:
    """Return what may be drawn on a photograph; None leaves it to chance. Raises ConfigError."""
    return _cracks(given, "data.synth.options") if given else None


def part_of(ground: tuple[RgbImage, Mask], size_hw: tuple[int, int], seed: int) -> tuple[RgbImage, Mask]:
    """Cut ``size_hw`` px out of a photograph and its mask, at a place that follows from the seed.

    A photograph that is smaller is kept whole along that side.
    """
    image, mask = ground
    rng = np.random.default_rng([seed, _PART])
    lengths = [min(side, edge) for side, edge in zip(size_hw, mask.shape, strict=True)]
    starts = [int(rng.integers(edge - side + 1)) for side, edge in zip(lengths, mask.shape, strict=True)]
    rows, cols = (slice(start, start + side) for start, side in zip(starts, lengths, strict=True))
    return image[rows, cols].copy(), mask[rows, cols].copy()


def place_seed(seed: int, place: int, generation: int, stream: int = _TRAIN) -> int:
    """Return the generator's seed for a place of the pool."""
    return int(np.random.SeedSequence([seed, stream, place, generation]).generate_state(1)[0])


def generation(place: int, epoch: int, renew: float, places: int) -> int:
    """Return how often ``place`` was drawn anew before ``epoch``: places are renewed in turn."""
    renewed = int(epoch * renew * places + 1e-9)
    return max(0, -(-(renewed - place) // places))


class SynthPool:
    """Fills places ``first .. first + images - 1`` of a store with procedural images.

    :param grounds: the training photographs, where the configuration draws on them.
    """

    def __init__(self, config: SynthConfig, seed: int, grounds: Sequence[Source] = ()) -> None:
        self.config = config
        self.seed = seed
        self._grounds = tuple(grounds) if config.ground == "photographs" else ()
        self._options = tuple(sorted(config.options.items()))
        self._distractors = tuple(sorted(config.distractors.items()))

    def _recipe(self, seed: int, turn: int = 0) -> Recipe:
        # Every photograph has its turn.
        ground = turn % len(self._grounds) if self._grounds else None
        config = self.config
        return Recipe(config.kind, seed, config.size_hw, self._options, ground, self._distractors)

    def validation_samples(self, processes: int, report: Report | None = None) -> list[Sample]:
        """Return the images that validate; their seeds are never trained on."""
        recipes = [
            self._recipe(place_seed(self.seed, i, 0, _VALIDATION))
            for i in range(self.config.validation_images)
        ]
        pairs = self._render_all(recipes, processes, report)
        return [
            Sample(
                f"synthetic-val/{i:05d}",
                image=partial(_same, image),
                read_mask=partial(_same, mask),
                source="synthetic",
            )
            for i, (image, mask) in enumerate(pairs)
        ]

    def recipes(self, epoch: int) -> list[Recipe]:
        """Return what stands at each place in ``epoch``."""
        count, renew = self.config.images, self.config.renew
        generations = [generation(i, epoch, renew, count) for i in range(count)]
        return [
            self._recipe(place_seed(self.seed, i, drawn), i + drawn * count)
            for i, drawn in enumerate(generations)
        ]

    def sources(self, epoch: int, processes: int, report: Report | None = None) -> list[Source]:
        """Render the pool as it is in ``epoch``."""
        images = self._render_all(self.recipes(epoch), processes, report)
        return [_held(f"synthetic/{i:05d}", *pair) for i, pair in enumerate(images)]

    def advance(self, store: PictureStore, first: int, epoch: int, processes: int) -> int:
        """Bring the store from the epoch before to ``epoch``; return the number of images drawn anew."""
        before, now = self.recipes(epoch - 1), self.recipes(epoch)
        changed = [i for i, (old, new) in enumerate(zip(before, now, strict=True)) if old != new]
        images = self._render_all([now[i] for i in changed], processes, None)
        for i, pair in zip(changed, images, strict=True):
            store.replace(first + i, _held(f"synthetic/{i:05d}", *pair))
        return len(changed)

    def _ground(self, recipe: Recipe) -> tuple[RgbImage, Mask] | None:
        if recipe.ground is None:
            return None
        return part_of(self._grounds[recipe.ground].load(), recipe.size_hw, recipe.seed)

    def _render_all(
        self, recipes: Sequence[Recipe], processes: int, report: Report | None
    ) -> list[tuple[RgbImage, Mask]]:
        folder = Path(self.config.cache_dir) if self.config.cache_dir else None
        jobs = ((recipe, folder, self._ground(recipe)) for recipe in recipes)
        done: list[tuple[RgbImage, Mask]] = []
        for pair in _drawn(jobs, min(processes, len(recipes)) if len(recipes) > _ALONE else 1):
            done.append(pair)
            if report is not None:
                report(len(done), len(recipes))
        return done


def _held(name: str, image: RgbImage, mask: Mask) -> Source:
    return Source(name, partial(_same, (image, mask)), "synthetic")


def _same(value: Any) -> Any:
    return value


_Job = tuple[Recipe, Path | None, tuple[RgbImage, Mask] | None]
"""What is drawn, the folder that keeps it, and the photograph that it is drawn on."""


def _drawn(jobs: Iterable[_Job], processes: int) -> Iterable[tuple[RgbImage, Mask]]:
    if processes <= 1:
        yield from map(_draw, jobs)
        return
    # Spawned, not forked: the parent holds threads of torch.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context)
    waiting = iter(jobs)
    try:
        while some := list(islice(waiting, _AT_ONCE)):
            yield from pool.map(_draw, some, chunksize=4)
    except BrokenProcessPool as error:
        raise TrainingError(
            "A process that draws synthetic images ended at once.\n"
            'A script that trains needs `if __name__ == "__main__":` around its call; '
            "or the machine ran out of memory."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _draw(job: _Job) -> tuple[RgbImage, Mask]:
    recipe, folder, ground = job
    if ground is not None:
        drawn = paint_cracks(
            recipe.seed, *ground, crack_options(dict(recipe.options)), dict(recipe.distractors)
        )
        return drawn.image, drawn.mask
    if folder is None:
        return render(recipe)
    path = folder / f"{_digest(recipe)}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            return kept["image"], kept["mask"]
    image, mask = render(recipe)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, image=image, mask=mask)
    return image, mask


def _digest(recipe: Recipe) -> str:
    text = json.dumps([generator_digest(), recipe.kind, recipe.seed, recipe.size_hw, recipe.options])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


_generator_digest: list[str] = []


def generator_digest() -> str:
    """Return a hash of the generator's own source: kept images of another generator are not used."""
    if not _generator_digest:
        digest = hashlib.sha256()
        for path in sorted(Path(synthetic.__path__[0]).rglob("*.py")):
            digest.update(path.read_bytes())
        _generator_digest.append(digest.hexdigest())
    return _generator_digest[0]
