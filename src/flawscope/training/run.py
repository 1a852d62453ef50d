"""``train``: from a configuration and a data set to a run folder with a bundle in it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from flawscope.data.dataset import Dataset
from flawscope.data.split_file import Split, load_split, write_split
from flawscope.errors import FlawscopeError, OutputError, UsageError
from flawscope.images.atomic import make_folder, write_text_atomic
from flawscope.inspection.options import PredictOptions
from flawscope.training.budget import Clock
from flawscope.training.checkpoint import Progress, load_progress
from flawscope.training.classify_finish import finish_labels
from flawscope.training.classify_prepare import make_parts, prepare_labels
from flawscope.training.config import TrainConfig
from flawscope.training.config_load import dump_config, load_config, replace_in
from flawscope.training.crops import CropDataset, CropPlan, deal_for
from flawscope.training.finish import finish
from flawscope.training.freezing import without_idle_freeze
from flawscope.training.grid_validate import GridValidator
from flawscope.training.init_from import load_initial
from flawscope.training.loader import Items
from flawscope.training.loop import LAST, AnyValidator, Job, fit
from flawscope.training.losses import build_loss
from flawscope.training.prepare import (
    Prepared,
    fingerprint,
    looked_at,
    make_store,
    positive_shares,
    prepare,
    synth_pool,
    with_prior,
)
from flawscope.training.progress import LogReporter, Reporter, Silent
from flawscope.training.resuming import check_asked, check_same_labels, write_labels
from flawscope.training.session import (
    Session,
    broadcast_int,
    build_network,
    make_accelerator,
    resolve_threads,
    start_session,
)
from flawscope.training.synth_pool import SynthPool
from flawscope.training.timing import plan_steps
from flawscope.training.try_parts import try_parts
from flawscope.training.validate import Validator

CONFIG, SPLIT, METRICS, ENVIRONMENT = "config.toml", "split.json", "metrics.json", "environment.json"


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    config: TrainConfig
    progress: Progress
    bundle: Path
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def stopped(self) -> str:
        """Why it ended before its last step; empty when it did not."""
        return self.progress.stopped


def train(
    config: TrainConfig,
    dataset: Dataset | None,
    out: str | Path,
    *,
    split: Split | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    init: str | Path | None = None,
    resume: bool = False,
    skip_bad: bool = False,
    started_s: float | None = None,
    reporter: Reporter | None = None,
    named: Sequence[str] = (),
) -> Run:
    """Train one network and write a run folder: configuration, split, history, checkpoints, bundle, metrics.

    :param dataset: None trains on synthetic images alone (``data.synth``).
    :param split: without it the data set's own, or all images; where ``val`` is missing, train gives it.
    :param minutes: budget from ``started_s`` to the last step; overrides ``train.minutes``.
    :param init: a bundle whose weights to start from.
    :param resume: go on with the run in ``out``; its ``config.toml`` and ``split.json`` are taken. Labels
        that are read otherwise are refused; so are ``minutes``, ``seed``, ``init`` and ``named`` keys that
        differ.
    :param skip_bad: leave out images and masks that cannot be used, instead of refusing the set.
    :param started_s: when the budget began, in seconds since 1970; default now.
    :param named: keys of ``config`` that were asked for by name, such as ``data.crop_px``.
    Raises ConfigError, DataError, TrainingError, ParityError, OutputError.
    """
    folder = Path(out)
    clock_started_s = time.time() if started_s is None else started_s
    asked, keys = with_calls(config, minutes, seed, init)
    if resume:
        config, split = _resumed(folder)
        check_asked(folder, config, asked, [*named, *keys])
    else:
        config = asked
    try_parts(config, dataset)
    if config.two_step.steps != "off":
        # Each step is trained by this very function.
        from flawscope.training.two_step import train_steps

        return train_steps(
            config,
            dataset,
            folder,
            split=split,
            resume=resume,
            skip_bad=skip_bad,
            started_s=clock_started_s,
            reporter=reporter or LogReporter(config.train.log_every),
        )
    accelerator = make_accelerator(config)
    if not resume and accelerator.is_main_process:
        fresh_folder(folder, beside_folds=config.train.refit)
    reporter = reporter or LogReporter(config.train.log_every)
    if not accelerator.is_main_process:
        reporter = Silent()
    threads, workers = resolve_threads(config)
    with _machine(threads):
        runner = _Runner(folder, accelerator, reporter, threads, workers, resume, skip_bad)
        return runner.run(config, dataset, split, clock_started_s)


def _resumed(folder: Path) -> tuple[TrainConfig, Split]:
    if not (folder / CONFIG).is_file() or not (folder / SPLIT).is_file():
        raise UsageError(
            f"{folder} holds no run that can be resumed: expected {CONFIG} and {SPLIT}.\n"
            "Start it without --resume."
        )
    return load_config(folder / CONFIG), load_split(folder / SPLIT)


def with_calls(
    config: TrainConfig, minutes: float | None, seed: int | None, init: str | Path | None
) -> tuple[TrainConfig, list[str]]:
    """Return the configuration with what a call gives beside it, and the keys that this sets."""
    changes: dict[str, Any] = {}
    if minutes is not None:
        changes |= {"minutes": minutes, "steps": None}
    if seed is not None:
        changes["seed"] = seed
    if init is not None:
        changes["init"] = str(init)
    keys = [f"train.{name}" for name, value in changes.items() if value is not None]
    return replace_in(config, "train", **changes) if changes else config, keys


def fresh_folder(folder: Path, beside_folds: bool = False) -> None:
    """Make the folder of a new run. Raises OutputError where there is a run already, or folds of one."""
    folds = () if beside_folds else folder.glob(f"fold-*/{CONFIG}")
    if any(path.exists() for path in (folder / CONFIG, *folds)):
        raise OutputError(
            f"{folder} already holds a run.\nChoose another --out, or go on with it by --resume."
        )
    make_folder(folder)


def drop_head(folder: Path) -> None:
    """Take away what makes a folder that of a run, so that another can begin there."""
    (folder / CONFIG).unlink(missing_ok=True)


@contextlib.contextmanager
def _machine(threads: int) -> Iterator[None]:
    """Set torch's threads and repeatable arithmetic for the time of the run."""
    before = torch.get_num_threads()
    cudnn = (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn


@dataclass(frozen=True, eq=False)
class _Parts:
    """What a run learns from, is validated on, and may cost."""

    prepared: Prepared
    items: Items
    validator: AnyValidator
    clock: Clock
    renewal_s: float = 0.0
    """What else every epoch costs."""


@dataclass
class _Runner:
    """The stages of one run, in order."""

    folder: Path
    accelerator: Any
    reporter: Reporter
    threads: int
    workers: int
    resume: bool
    skip_bad: bool

    def run(self, config: TrainConfig, dataset: Dataset | None, split: Split | None, started_s: float) -> Run:
        if config.task == "classification":
            return self._run_labels(config, dataset, split, Clock(started_s, config.train.minutes))
        processes = self.threads + self.workers
        saved = self._saved
        begun = load_progress(self.folder / LAST).epoch if saved else 0
        prepared = prepare(config, dataset, split, self.reporter, processes, self.skip_bad)
        self._check_labels(prepared)
        pool = synth_pool(config, prepared, self.reporter)
        if pool is not None:
            self.reporter.say(f"drawing {config.data.synth.images} synthetic images")
        drawing_s = time.monotonic()
        store = make_store(config, prepared, pool, processes, begun)
        renewal_s = (time.monotonic() - drawing_s) * config.data.synth.renew if pool else 0.0
        shares = positive_shares(store, prepared.classes)
        config = with_prior(config, shares)
        if self.workers:
            store.warm()
        plan = CropPlan.of(config.data, config.train.seed)
        crops = CropDataset(store, plan, config.input, config.augment)
        clock = Clock(started_s, config.train.minutes)
        parts = _Parts(prepared, crops, _validator(config, prepared), clock, renewal_s)
        job = self._job(config, parts)
        if pool is not None and config.data.synth.renew:
            first = len(store) - config.data.synth.images
            job.before_epoch = _renewal(pool, store, first, begun, processes)
        progress = self._fit(job)
        facts = fingerprint(prepared, shares, job.config)
        return self._finish(job.config, prepared, progress, facts)

    @property
    def _saved(self) -> bool:
        return self.resume and (self.folder / LAST).is_file()

    def _run_labels(
        self, config: TrainConfig, dataset: Dataset | None, split: Split | None, clock: Clock
    ) -> Run:
        """As `run`, for labels of whole images."""
        prepared = prepare_labels(config, dataset, split, self.reporter, self.skip_bad)
        self._check_labels(prepared)
        labels = make_parts(config, prepared)
        job = self._job(labels.config, _Parts(prepared, labels.items, labels.validator, clock))
        progress = self._fit(job)
        return self._finish(job.config, prepared, progress, labels.facts)

    def _check_labels(self, prepared: Prepared) -> None:
        if self.resume:
            check_same_labels(self.folder, prepared.classes, (*prepared.train, *prepared.val))

    def _job(self, config: TrainConfig, parts: _Parts) -> Job:
        """Build the network, fix the number of steps, write the head of the run folder."""
        prepared = parts.prepared
        network = build_network(config, prepared.classes)
        if config.train.init and not self._saved:
            load_initial(network, config.train.init, config, prepared.classes)
        config = without_idle_freeze(config, self.reporter)
        # A number of steps that was given, or fixed by an earlier process, stays.
        paced = config.train.pace == "adaptive" and config.train.steps is None and bool(config.train.minutes)
        config = self._fix_length(config, network, parts)
        session = start_session(config, network, self.accelerator, config.train.steps or 1)
        self._write_head(config, prepared)
        return Job(
            config,
            self.folder,
            session,
            parts.items,
            prepared.classes,
            parts.validator,
            parts.clock,
            self.reporter,
            self.workers,
            paced=paced,
        )

    def _fit(self, job: Job) -> Progress:
        try:
            progress = fit(job, self._saved)
        except FlawscopeError:
            # What stopped before its first checkpoint is no run yet, and must not be in the way of one.
            if self.accelerator.is_main_process and not self.resume and not (self.folder / LAST).is_file():
                drop_head(self.folder)
            raise
        if progress.stopped:
            self.reporter.say(progress.stopped)
        return progress

    def _fix_length(self, config: TrainConfig, network: nn.Module, parts: _Parts) -> TrainConfig:
        """Return the configuration with ``train.steps`` fixed; only a first start measures anything."""
        if config.train.steps is not None:
            return config
        if config.train.minutes is None:
            world = self.accelerator.num_processes
            batches = deal_for(config.train, parts.items.order(0), world)
            return replace_in(config, "train", steps=len(batches) * (config.train.epochs or 1))

        def make_session(copied: nn.Module, steps: int) -> Session:
            return start_session(config, copied, self.accelerator, steps)

        found = plan_steps(
            config,
            network,
            make_session,
            parts.items,
            parts.validator,
            parts.prepared.classes,
            self.workers,
            parts.clock,
            parts.renewal_s,
        )
        steps = broadcast_int(self.accelerator, found.steps)
        every = broadcast_int(self.accelerator, found.validate_every)
        self.reporter.say(f"{steps} steps fit into {config.train.minutes:g} minutes")
        return replace_in(config, "train", steps=steps, validate_every=every)

    def _write_head(self, config: TrainConfig, prepared: Prepared) -> None:
        if not self.accelerator.is_main_process:
            return
        if not self.resume:
            write_labels(self.folder, prepared.classes, (*prepared.train, *prepared.val))
            write_split(self.folder / SPLIT, prepared.split)
            write_text_atomic(self.folder / CONFIG, dump_config(config))
        facts = environment(self.threads, self.workers, str(self.accelerator.device))
        write_text_atomic(self.folder / ENVIRONMENT, json.dumps(facts, indent=1) + "\n")

    def _finish(
        self, config: TrainConfig, prepared: Prepared, progress: Progress, facts: dict[str, Any]
    ) -> Run:
        self.accelerator.wait_for_everyone()
        bundle, metrics = self.folder / "bundle", {}
        if self.accelerator.is_main_process:
            if config.task == "classification":
                metrics = finish_labels(self.folder, config, prepared, progress, facts)
            else:
                metrics = finish(self.folder, config, prepared, progress, facts, self.reporter)
        self.accelerator.wait_for_everyone()
        return Run(self.folder, config, progress, bundle, metrics)


def _validator(config: TrainConfig, prepared: Prepared) -> Validator | GridValidator:
    options = config.validation
    samples = looked_at(prepared.val, options.max_images)
    loss = build_loss(config.loss, config.input.activation, config.train.side_weight)
    if options.figures == "dice":
        return GridValidator(
            samples, config.input, prepared.classes, loss, config.train.batch, config.data.cache_mb * 2**18
        )
    return Validator(
        samples, config.input, prepared.classes, loss, PredictOptions(batch=options.batch),
        config.data.cache_mb * 2**18, config.train.batch,
    )  # fmt: skip


def _renewal(pool: SynthPool, store: Any, first: int, begun: int, processes: int) -> Any:
    def before_epoch(epoch: int) -> None:
        if epoch > begun:
            pool.advance(store, first, epoch, processes)

    return before_epoch


def environment(threads: int, workers: int, device: str) -> dict[str, Any]:
    """Return versions and machine, for ``environment.json``."""
    packages = {}
    for name in ("flawscope", "torch", "torchvision", "timm", "segmentation-models-pytorch", "accelerate",
                 "numpy", "onnxruntime", "opencv-python-headless"):  # fmt: skip
        with contextlib.suppress(PackageNotFoundError):
            packages[name] = version(name)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "device": device,
        "threads": threads,
        "workers": workers,
        "packages": packages,
    }
