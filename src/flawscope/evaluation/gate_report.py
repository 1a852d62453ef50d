"""``threshold --method gate``: how sure a gate must be of a defect, for a stated rate of missed images."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from flawscope.bundle import Bundle, Chosen, zip_bundle
from flawscope.data.dataset import Dataset
from flawscope.data.mask_labels import as_labels, clean_class
from flawscope.data.split_file import Split
from flawscope.errors import ImageError, UsageError
from flawscope.evaluation.chosen_on import digest_of, kept
from flawscope.evaluation.evaluate import EvaluateOptions, Progress, choose_part
from flawscope.evaluation.gate_threshold import GateCut, gate_cut
from flawscope.evaluation.metrics import Failed
from flawscope.evaluation.report import Facts, Report, rewrite
from flawscope.inspection.gate import Gate, as_gate, load_gate, set_gate_threshold, with_gate
from flawscope.inspection.runtimes import make_runtime
from flawscope.manifest import Manifest


@dataclass(frozen=True, eq=False)
class GateReport(Report):
    """The threshold of a gate, and the gate itself where it is to be put before the model."""

    cut: GateCut
    scores: npt.NDArray[np.float64]
    """N probabilities of a defect."""
    defective: npt.NDArray[np.bool_]
    gate: Bundle | None = None
    digests: str = ""
    """Of the images, as the bundle keeps them with the threshold."""
    method: ClassVar[str] = "gate"

    @property
    def chosen(self) -> Chosen:
        """The threshold as the bundle keeps it."""
        return Chosen(value=self.cut.threshold, rule=self.cut.rule, data=self.data, digests=self.digests)

    def class_dicts(self) -> dict[str, dict[str, Any]]:
        """The choice as JSON takes it, under ``gate``."""
        return {"gate": {**asdict(self.cut), "rule": self.cut.rule}}

    def draw(self, path: Path) -> None:
        """Draw the shares of missed and of spared images over the threshold."""
        from flawscope.evaluation.plots import draw_gate

        draw_gate(path, self.scores, self.defective, self.cut)

    def lines(self) -> list[str]:
        """The choice as text."""
        cut = self.cut
        return [
            f"gate: threshold {cut.threshold:.6g}, {cut.rule}",
            f"  of these images {cut.missed + cut.spared} of {cut.defective + cut.clean} would be spared",
        ]

    def updated(self, manifest: Manifest) -> Manifest:
        """The manifest with this threshold of its gate."""
        return set_gate_threshold(manifest, self.chosen)

    def apply(self, bundle: Bundle) -> Bundle:
        """Write the threshold, and a gate that was given, into the bundle where it lies; return it loaded."""
        if self.gate is None:
            return rewrite(bundle, self.updated(bundle.manifest))
        if bundle.source.is_dir():
            return with_gate(bundle, self.gate, self.chosen, bundle.root)
        temporary = Path(tempfile.mkdtemp(prefix="flawscope-gate-"))
        try:
            zip_bundle(with_gate(bundle, self.gate, self.chosen, temporary / "bundle").root, bundle.source)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return Bundle.load(bundle.source)


def choose_gate(
    bundle: Bundle,
    gate: Bundle | None,
    dataset: Dataset,
    split: Split | None,
    part: str | None,
    level: float,
    confidence: float | None = None,
    *,
    options: EvaluateOptions | None = None,
    progress: Progress | None = None,
) -> GateReport:
    """Choose the threshold of ``gate``, or of ``bundle``'s own, on a part (default ``val``) of a data set.

    An image is defective when its mask marks anything, or its label is not the clean one. Raises UsageError
    where there is no gate, and as :func:`flawscope.evaluation.gate_threshold.gate_cut`.
    """
    options = options or EvaluateOptions()
    whole = split is None and dataset.default_split is None and part in (None, "val")
    chosen, shown, notes = choose_part(dataset, split, "all" if whole else part or "val")
    found = _gate(bundle, gate, options)
    labels = as_labels(chosen)
    clean = clean_class(labels)
    scores: list[float] = []
    defective: list[bool] = []
    failed: list[Failed] = []
    digests: set[str] = set()
    for done, sample in enumerate(labels.samples, start=1):
        try:
            image = sample.image()
            score = found.scores([image], flip_tta=options.predict.flip_tta)
            scores.append(float(score[0]))
            defective.append(any(label != clean.id for label in sample.labels))
            digests.add(digest_of(image))
        except ImageError as error:
            failed.append(Failed(sample.name, str(error)))
        if progress is not None:
            progress(done, len(labels), sample.name)
    data = f"{dataset.root.name}, part {shown}"
    cut = gate_cut(scores, defective, level, confidence)
    facts = Facts(len(scores), shown, data, tuple(failed), (*notes, *_notes(bundle, cut)))
    return GateReport(facts, cut, np.asarray(scores), np.asarray(defective, dtype=bool), gate, kept(digests))


def _gate(bundle: Bundle, gate: Bundle | None, options: EvaluateOptions) -> Gate:
    if gate is not None:
        stage = as_gate(gate, Chosen(value=0.5))
        assert stage.input is not None  # as_gate sees to that
        own = gate.manifest.stages[0]
        return Gate(make_runtime(gate, own, options.runtime), stage.input, 0.5)
    found = load_gate(bundle, options.runtime)
    if found is None:
        raise UsageError(
            f"{bundle.source} holds no gate.\n"
            "Give a trained one with --gate; flawscope train two-step --set two_step.steps=gate makes one."
        )
    return found


def _notes(bundle: Bundle, cut: GateCut) -> Sequence[str]:
    notes = []
    if bundle.manifest.promises:
        notes.append("promises about misses in this bundle end with a new gate or threshold of it")
    if cut.clean and cut.spared < cut.clean / 10:
        notes.append(f"the gate spares {cut.spared} of {cut.clean} clean images: it saves little time")
    return notes
