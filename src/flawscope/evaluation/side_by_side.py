"""CoreDeep's figures 4 to 6: for each source set some images, their truth, and a column a run."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from flawscope.data.dataset import Dataset
from flawscope.errors import ImageError
from flawscope.evaluation.classes import match_classes
from flawscope.evaluation.evaluate import (
    EvaluateOptions,
    as_predictor,
    choose_part,
    compare,
    cut_at,
    predicted_plane,
)
from flawscope.evaluation.fold_files import is_evaluation
from flawscope.evaluation.gallery import block_any, shrink
from flawscope.evaluation.network_grid import resize_mask
from flawscope.evaluation.runs import RunModels, find_models, split_for
from flawscope.evaluation.table_runs import Trial, Wanted
from flawscope.images.atomic import write_text_atomic
from flawscope.types import IGNORE_INDEX, Mask, Sample

_EDGE_PX = 320


@dataclass(slots=True)
class _Strip:
    """One image with its pictures, as PNG."""

    sample: Sample
    size_hw: tuple[int, int]
    pictures: list[bytes] = field(default_factory=list)


def write_side_by_side(path: Path, wanted: Sequence[Wanted], trial: Trial, each: int = 3) -> int:
    """Write one self-contained page with ``each`` images a source; return how many images it shows.

    Images are those in the part of every run: one that a run was trained on is no sample of what it does.
    Those with a crack are taken at even distances in the order of their names; a source of clean images
    shows those. Images that cannot be read, and rows whose path is no single model, are left out. Raises
    OutputError.
    """
    shown = [one for one in wanted if _single(one.path)]
    models = {one.path: find_models(one.path) for one in shown}
    part, notes = _shared_part(list(models.values()), trial)
    strips = {}
    for sample in _chosen(part, each):
        with suppress(ImageError):  # named by the evaluation before it
            strips[sample.name] = _strip(sample)
    order: list[str] = []
    for place, found in models.items():
        columns = [one for one in shown if one.path == place]
        _add_columns(strips, columns, found.bundle or place, trial)
        order += [one.label for one in columns]
    whole = [strip for strip in strips.values() if len(strip.pictures) == len(order) + 2]
    if trial.at == "network":
        notes.append("each run is shown as counted, on the grid of its network, at the photograph's size")
    write_text_atomic(path, _page(whole, order, notes))
    return len(whole)


def _single(path: Path) -> bool:
    """Whether there is one model at the path (no results, no run of folds)."""
    return not is_evaluation(path) and not find_models(path).folds


def _shared_part(models: Sequence[RunModels], trial: Trial) -> tuple[Dataset, list[str]]:
    """The images that every model has in its part, by its run's split, and what to say of the others."""
    splits = [split_for(one, trial.dataset, trial.split, trial.part)[0] for one in models] or [trial.split]
    parts = [choose_part(trial.dataset, split, trial.part)[0] for split in splits]
    shared = set.intersection(*(set(part.names) for part in parts))
    others = len({name for part in parts for name in part.names}) - len(shared)
    note = f"{others} images that are not in part '{trial.part}' of every run are left out"
    return parts[0].subset(name for name in parts[0].names if name in shared), [note] if others else []


def _strip(sample: Sample) -> _Strip:
    """The photograph and its truth."""
    image, mask = sample.image(), sample.mask
    assert mask is not None  # chosen by their masks
    drawn = _labelled(mask)
    true = drawn if mask.ndim == 2 else np.logical_or.reduce(drawn, axis=2)
    height, width = true.shape
    step = _step((height, width))
    return _Strip(sample, (height, width), [_png(shrink(image, step)), _mask_png(true, step)])


def _step(size_hw: tuple[int, int]) -> int:
    return -(-max(size_hw) // _EDGE_PX)


def _labelled(mask: Mask) -> npt.NDArray[np.bool_]:
    return np.asarray((mask > 0) & (mask != IGNORE_INDEX), dtype=np.bool_)


def _chosen(part: Dataset, each: int) -> list[Sample]:
    by_source: dict[str, list[Sample]] = {}
    for sample in sorted(part.samples, key=lambda one: one.name):
        by_source.setdefault(sample.source, []).append(sample)
    out: list[Sample] = []
    for _, samples in sorted(by_source.items()):
        cracked = {sample.name: has for sample in samples if (has := _has_crack(sample)) is not None}
        wanted = any(cracked.values())
        pool = [sample for sample in samples if cracked.get(sample.name) is wanted]
        at = np.unique(np.linspace(0, len(pool) - 1, min(each, len(pool))).round().astype(int))
        out += [pool[int(k)] for k in at]
    return out


def _has_crack(sample: Sample) -> bool | None:
    """Whether its mask shows one; None without a mask, or with one that cannot be read."""
    try:
        mask = sample.mask
    except ImageError:
        return None
    return None if mask is None else bool(_labelled(mask).any())


def _add_columns(strips: Mapping[str, _Strip], rows: Sequence[Wanted], model: Path, trial: Trial) -> None:
    """What a model sees in each image, a column a row; on the grid that its figures were counted on."""
    options = trial.options or EvaluateOptions()
    predictor, _ = as_predictor(model, options)
    data = trial.dataset.with_samples(strip.sample for strip in strips.values())
    match = match_classes(data.classes, predictor.classes, options.mapping, truth_named=data.classes_named)
    for one in compare(predictor, match, data, trial.at, failed=[], unlabelled=[]):
        strip = strips[one.sample.name]
        for row in rows:
            cut = one.prediction if row.cut is None else cut_at(one.prediction, predictor, row.cut)
            seen = np.logical_or.reduce([predicted_plane(cut, plane) for plane in match.planes])
            strip.pictures.append(_mask_png(resize_mask(seen, strip.size_hw), _step(strip.size_hw)))


def _png(picture: npt.NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _mask_png(mask: npt.NDArray[np.bool_], step: int) -> bytes:
    return _png(block_any(np.ascontiguousarray(mask), step).astype(np.uint8) * 255)


def _page(strips: Sequence[_Strip], labels: Sequence[str], notes: Sequence[str]) -> str:
    head = "".join(f"<th>{html.escape(text)}</th>" for text in ("Image", "Truth", *labels))
    columns = len(labels) + 2
    room = f"min-width: {columns * 120}px; max-width: {columns * 250}px"
    parts = [f"<p>{html.escape(note[0].upper() + note[1:])}.</p>" for note in notes]
    for source in dict.fromkeys(strip.sample.source for strip in strips):
        rows = "\n".join(
            "<tr>"
            + "".join(
                f"<td><img alt='{html.escape(f'{strip.sample.name}, {label}', quote=True)}' loading='lazy' "
                f"src='data:image/png;base64,{base64.b64encode(picture).decode()}'></td>"
                for picture, label in zip(strip.pictures, ("image", "truth", *labels), strict=True)
            )
            + f"</tr><tr><td colspan='{columns}' class='name'>{html.escape(strip.sample.name)}</td></tr>"
            for strip in strips
            if strip.sample.source == source
        )
        title = html.escape(source or "all images")
        parts.append(f"<h2>{title}</h2><div><table style='{room}'><tr>{head}</tr>{rows}</table></div>")
    return _PAGE.format(body="\n".join([*parts, *([] if strips else ["<p>No images.</p>"])]))


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>flawscope: runs side by side</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1600px; padding: 0 1rem;
  color: #222; background: #fff }}
div {{ overflow-x: auto }} table {{ width: 100%; table-layout: fixed }}
th, td {{ padding: .2rem .3rem; text-align: left; vertical-align: bottom; font-weight: 600 }}
td.name {{ font-weight: 400; color: #666; padding-bottom: .8rem }}
img {{ display: block; box-sizing: border-box; width: 100%; border: 1px solid #888 }}
@media (prefers-color-scheme: dark) {{
  body {{ color: #ddd; background: #161616 }} td.name {{ color: #999 }} }}
</style></head><body>
<h1>Runs side by side</h1>
{body}
</body></html>
"""
