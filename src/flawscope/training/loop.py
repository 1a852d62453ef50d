"""The training loop, top to bottom: steps, validation, history, checkpoints, and every way to stop.

Devices, mixed precision and several processes are accelerate's business; everything else is here.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from flawscope.errors import ConfigError, TrainingError
from flawscope.images.atomic import write_text_atomic
from flawscope.training.budget import Clock, Pace
from flawscope.training.checkpoint import Progress, load_checkpoint, save_checkpoint, save_weights
from flawscope.training.config import TrainConfig
from flawscope.training.crops import Step, deal_for
from flawscope.training.grid_validate import GridValidator
from flawscope.training.label_validate import LabelValidator
from flawscope.training.loader import Items, loader_of_steps
from flawscope.training.progress import Reporter, clock
from flawscope.training.session import Session, broadcast_int, to_device
from flawscope.training.soft_dice import soft_dice
from flawscope.training.validate import Validator, to_target
from flawscope.types import ClassInfo

AnyValidator = Validator | LabelValidator | GridValidator

LAST, BEST = "checkpoints/last.safetensors", "checkpoints/best.safetensors"
_CHECK_EVERY = 20
"""Steps between looks at the loss on an accelerator, where each look waits for the device."""


@dataclass(eq=False)
class Job:
    """What is to be trained on what, and where it goes."""

    config: TrainConfig
    """With ``train.steps`` fixed."""
    out: Path
    session: Session
    crops: Items
    classes: Sequence[ClassInfo]
    validator: AnyValidator | None
    clock: Clock
    reporter: Reporter
    workers: int = 0
    before_epoch: Callable[[int], None] | None = None
    """Called with the number of each epoch before it begins, resumed or not: renews synthetic images."""
    paced: bool = False
    """Whether the end moves with the machine's speed."""

    @property
    def total_steps(self) -> int:
        """Optimiser steps in all, as far as is known: the end of a paced run moves."""
        return self.session.schedule.end_step


def fit(job: Job, resume: bool = False) -> Progress:
    """Train until the last step, or until something says stop; return where it ended.

    Checkpoints are written after every epoch and at every clean stop, never of weights that are no numbers.
    Raises TrainingError for a loss that is no number, and after an interrupt (the run can be resumed).
    """
    progress = Progress()
    if resume:
        progress = load_checkpoint(job.out / LAST, job.session.parts)
        job.clock = Clock(job.clock.started_s, job.clock.minutes, progress.elapsed_s)
        job.reporter.say(f"resumed at step {progress.step} of {job.total_steps} (epoch {progress.epoch})")
    pace = Pace()
    with _interrupts() as interrupted:
        while not progress.finished and not progress.stopped:
            _keep_pace(job, progress, pace)
            if job.before_epoch is not None:
                job.before_epoch(progress.epoch)
            began_s = time.monotonic()
            _run_epoch(job, progress, interrupted)
            _check_finite(job, progress)
            if interrupted.is_set():
                _save(job, progress)
                job.reporter.close()
                raise TrainingError(
                    f"Interrupted after step {progress.step} of {job.total_steps}; nothing is lost.\n"
                    "Go on with the same command and --resume."
                )
            _close_epoch(job, progress, time.monotonic() - began_s)
            _save(job, progress)
    job.reporter.close()
    return progress


def _keep_pace(job: Job, progress: Progress, pace: Pace) -> None:
    """Move the end of a paced run to where the steps so far say that its budget ends."""
    if not job.paced:
        return
    pace.mark(progress.step, job.clock.elapsed_s())
    found = pace.end_step(job.total_steps, job.clock.left_s())
    end_step = broadcast_int(job.session.accelerator, found)
    if end_step != job.total_steps:
        job.session.schedule.move_end(progress.step, end_step)


def _run_epoch(job: Job, progress: Progress, interrupted: threading.Event) -> None:
    """Take the steps of one epoch that are left, up to the last step of the run."""
    accelerator, train = job.session.accelerator, job.config.train
    order = job.crops.order(progress.epoch)
    steps = deal_for(train, order, accelerator.num_processes, accelerator.process_index)
    steps = steps[progress.batches_done :][: job.total_steps - progress.step]
    if progress.batches_done == 0:
        # Dropout of an epoch follows from its number, and differs between processes.
        seeds = np.random.SeedSequence([train.seed, progress.epoch, accelerator.process_index])
        torch.manual_seed(int(seeds.generate_state(1, np.uint64)[0]))
    batches = iter(loader_of_steps(job.crops, steps, job.workers, job.session.device))
    pending: list[Tensor] = []
    job.session.train_mode(progress.epoch)
    for step in steps:
        rate = job.session.set_rate(progress.step)
        pending.append(take_step(job.session, step, batches, job.config, job.classes))
        progress.step += 1
        progress.batches_done += 1
        on_cpu = job.session.device.type == "cpu"
        if on_cpu or len(pending) >= _CHECK_EVERY or step is steps[-1]:
            _take_losses(job, progress, pending)
        crops = sum(len(keys) for keys in step.micro) * accelerator.num_processes
        mean = progress.loss_sum / max(progress.loss_count, 1)
        job.reporter.step(progress.step, job.total_steps, crops, mean, rate)
        if _agree(job.session, job.clock.spent() and progress.step < job.total_steps):
            progress.stopped = _guard_text(job, progress)
        if progress.stopped or _agree(job.session, interrupted.is_set()):
            _take_losses(job, progress, pending)
            return


def take_step(
    session: Session,
    step: Step,
    batches: Iterator[tuple[Tensor, Tensor]],
    config: TrainConfig,
    classes: Sequence[ClassInfo],
) -> Tensor:
    """Take one optimiser step and return the mean loss over its crops (on the device, detached)."""
    train, accelerator = config.train, session.accelerator
    total = torch.zeros((), device=session.device)
    for number, share in enumerate(step.shares):
        image, mask = next(batches)
        image = to_device(image, session.device, train.channels_last)
        target, valid = to_target(mask.to(session.device), classes, config.input.activation)
        last = number == len(step.shares) - 1
        with contextlib.nullcontext() if last else accelerator.no_sync(session.wrapped):
            logits = _answer(session, image)
            loss = session.loss(logits, target, valid) * share
            accelerator.backward(loss)
        if session.watches_dice:
            session.dices.append(soft_dice(logits, target, valid, config.input.activation))
        total += loss.detach()
    if train.grad_clip:
        accelerator.clip_grad_norm_(session.network.parameters(), train.grad_clip)
    session.optimiser.step()
    session.optimiser.zero_grad(set_to_none=True)
    if session.ema is not None:
        session.ema.update(session.network)
    return accelerator.reduce(total, "mean") if accelerator.num_processes > 1 else total


def _answer(session: Session, image: Tensor) -> Any:
    """Logits of a batch of training. Raises ConfigError where it is too small to be normalised."""
    try:
        return session.wrapped(image)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ConfigError(
            f"The network normalises over a batch, and {len(image)} of {image.shape[-1]} x {image.shape[-2]} "
            "px leaves it one value a channel; it needs two.\n"
            "Set train.drop_last = true where only the last step is so small, else a larger train.batch."
        ) from error


def _take_losses(job: Job, progress: Progress, pending: list[Tensor]) -> None:
    """Add up the losses of the latest steps. Raises TrainingError when one of them is no number."""
    if not pending:
        return
    values = torch.stack(pending).tolist()
    first = progress.step - len(values) + 1
    pending.clear()
    for step, value in enumerate(values, start=first):
        if not math.isfinite(value):
            raise _diverged(job, progress, f"The loss became {value}", step)
        progress.loss_sum += value
        progress.loss_count += 1
    if job.session.dices:
        dices = torch.stack(job.session.dices)
        mean = job.session.accelerator.reduce(dices, "mean")
        progress.dice_sum += float(mean.sum())
        progress.dice_count += len(dices)
        job.session.dices.clear()


def _check_finite(job: Job, progress: Progress) -> None:
    """Refuse weights that the last step broke: its loss was taken before it. Raises TrainingError."""
    state = job.session.network.state_dict().values()
    finite = [value.isfinite().all() for value in state if value.is_floating_point()]
    if _agree(job.session, bool(finite) and not bool(torch.stack(finite).all())):
        raise _diverged(job, progress, "The weights became no numbers", progress.step)


def _diverged(job: Job, progress: Progress, what: str, step: int) -> TrainingError:
    job.reporter.close()
    return TrainingError(
        f"{what} at step {step} of {job.total_steps} (epoch {progress.epoch}).\n{_last_good(job)} "
        "Lower optimiser.lr, set train.grad_clip, or use train.precision = 'fp32'."
    )


def _last_good(job: Job) -> str:
    path = job.out / LAST
    return f"The last good checkpoint is {path}." if path.is_file() else "No checkpoint was written yet."


def _close_epoch(job: Job, progress: Progress, seconds: float) -> None:
    """Validate when it is time, add a row to the history, decide what is best and whether to go on."""
    train = job.config.train
    at_end = progress.step >= job.total_steps or bool(progress.stopped)
    due = (progress.epoch + 1) % train.validate_every == 0
    row: dict[str, Any] = {
        "epoch": progress.epoch,
        "step": progress.step,
        "lr": job.session.optimiser.param_groups[0]["lr"],
        "train_loss": progress.loss_sum / max(progress.loss_count, 1),
    }
    if progress.dice_count:
        row["train_dice"] = progress.dice_sum / progress.dice_count
    if job.validator is not None and (due or at_end):
        row |= _validate(job)
        if not math.isfinite(row["val_loss"]):
            raise _diverged(job, progress, f"The validation loss became {row['val_loss']}", progress.step)
        _judge(job, progress, row)
        job.session.schedule.observe(_watched(job, row))
    row["seconds"] = round(seconds, 3)
    progress.history.append(row)
    job.reporter.epoch(row)
    full = progress.batches_done >= steps_per_epoch(job)
    progress.loss_sum, progress.loss_count = 0.0, 0
    progress.dice_sum, progress.dice_count = 0.0, 0
    if full:
        progress.epoch, progress.batches_done = progress.epoch + 1, 0
    progress.finished = progress.step >= job.total_steps


def steps_per_epoch(job: Job) -> int:
    """Return the optimiser steps of one epoch."""
    accelerator, train = job.session.accelerator, job.config.train
    return len(deal_for(train, np.arange(len(job.crops)), accelerator.num_processes))


def _validate(job: Job) -> dict[str, float]:
    assert job.validator is not None
    session = job.session
    accelerator = session.accelerator

    def gather(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        together = accelerator.reduce(torch.from_numpy(sums).to(session.device), "sum")
        return np.asarray(together.cpu().numpy())

    averaged = session.ema.applied(session.network) if session.ema else contextlib.nullcontext()
    with averaged:
        many = accelerator.num_processes > 1
        return job.validator(
            session.network, gather if many else None, accelerator.process_index, accelerator.num_processes
        )


def _judge(job: Job, progress: Progress, row: dict[str, Any]) -> None:
    """Keep the weights when they are the best so far; stop when they have not been for long."""
    train = job.config.train
    value = float(row[f"val_{train.monitor}"])
    sign = -1.0 if train.monitor == "loss" else 1.0
    best = progress.best_value
    # F1 is no number where the images looked at show no class: the last weights are then kept.
    if best is None or math.isnan(best) or sign * value > sign * best + train.early_stopping.min_delta:
        progress.best_value, progress.best_epoch = value, progress.epoch
        progress.validations_without_gain = 0
        if job.session.accelerator.is_main_process:
            notes = {k: v for k, v in row.items() if not (isinstance(v, float) and math.isnan(v))}
            save_weights(job.out / BEST, current_weights(job.session), notes)
        return
    progress.validations_without_gain += 1
    patience = train.early_stopping.patience
    if patience and progress.validations_without_gain >= patience and progress.step < job.total_steps:
        progress.stopped = (
            f"early stopping at step {progress.step} of {job.total_steps}: {patience} validations "
            f"without a better {train.monitor} than {best:.4f}"
        )


def _watched(job: Job, row: dict[str, Any]) -> float:
    """What a plateau watches: the validation loss, or the monitored figure where it waits for the largest."""
    plateau = job.session.schedule.plateau
    rises = plateau is not None and plateau.mode == "max"
    return float(row[f"val_{job.config.train.monitor}" if rises else "val_loss"])


def current_weights(session: Session) -> dict[str, Tensor]:
    """Return the running mean of the weights, or the weights where there is none."""
    if session.ema is not None:
        return dict(session.ema.average)
    return dict(session.network.state_dict())


def _save(job: Job, progress: Progress) -> None:
    progress.elapsed_s = round(job.clock.elapsed_s(), 3)
    if job.session.accelerator.is_main_process:
        save_checkpoint(job.out / LAST, job.session.parts, progress)
        write_history(job.out / "history.csv", progress.history)
    job.session.accelerator.wait_for_everyone()


def write_history(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write ``history.csv``: a row an epoch; empty cells where there was no validation."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text_atomic(path, text.getvalue())


def _guard_text(job: Job, progress: Progress) -> str:
    return (
        f"stopped by the time guard at step {progress.step} of {job.total_steps} after "
        f"{clock(job.clock.elapsed_s())}: train.minutes = {job.clock.minutes:g} were over, and the schedule "
        "did not reach its end; the machine became slower, or train.steps asks for more than fits"
    )


def _agree(session: Session, flag: bool) -> bool:
    """Return whether any process raised the flag, so that all stop at the same step."""
    if session.accelerator.num_processes == 1:
        return flag
    raised = session.accelerator.reduce(torch.tensor(float(flag), device=session.device), "sum")
    return bool(raised.item() > 0)


@contextlib.contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a flag, so that a step is never torn; a second one ends at once."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def note(_signal: int, _frame: Any) -> None:
        flag.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)
