"""What no key of a configuration is wrong by itself, but together with another. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flawscope.training.classify_config import LOSSES_OF_LABELS

if TYPE_CHECKING:
    from flawscope.training.config import TrainConfig


def check_together(config: TrainConfig) -> None:
    """Refuse what is in range by itself, but not beside another key, or not for training."""
    floor = config.schedule.options.get("min_lr", 0.0)
    if config.schedule.name == "plateau" and floor > config.optimiser.lr:
        raise ValueError(
            f"schedule.options.min_lr is {floor:g}; expected at most optimiser.lr, {config.optimiser.lr:g}"
        )
    if config.schedule.options.get("mode") == "max" and config.train.monitor == "loss":
        raise ValueError(
            "schedule.options.mode = 'max' watches train.monitor, and 'loss' falls as the network learns; "
            "expected mode = 'min', or another train.monitor"
        )
    if not all(0 <= mean <= 1 for mean in config.input.mean):
        raise ValueError(f"input.mean is {list(config.input.mean)}; expected values from 0 to 1, not to 255")
    if not all(std <= 1 for std in config.input.std):
        raise ValueError(f"input.std is {list(config.input.std)}; expected values above 0 up to 1, not 255")
    if config.bundle.size_hw is not None and (config.task != "segmentation" or not config.input.one_size):
        raise ValueError(
            "bundle.size_hw goes with masks and input.size_hw; expected none, for labels, tiles and shares "
            "of the size work as they are trained"
        )
    train = config.train
    if train.steps is None and train.epochs is None and train.minutes is None:
        raise ValueError("train needs one of epochs, steps or minutes")


def check_task(config: TrainConfig) -> None:
    """Refuse what does not go with the task: losses, monitored figures, sizes of input."""
    monitor = config.train.monitor
    if config.task == "segmentation":
        if monitor == "accuracy":
            raise ValueError("train.monitor = 'accuracy' goes with labels; masks have f1_tol2, f1 or loss")
        _check_figures(config)
        return
    if monitor in ("f1_tol2", "dice"):
        raise ValueError(f"train.monitor = '{monitor}' goes with masks; labels have accuracy, f1 or loss")
    if config.input.mode != "resize" or config.input.size_hw is None:
        raise ValueError("a classifier sees images of one size: set input.mode = 'resize' and input.size_hw")
    for term in config.loss:
        if term.name not in LOSSES_OF_LABELS:
            raise ValueError(
                f"loss '{term.name}' measures overlaps of areas and an image's label has none; "
                f"expected {', '.join(LOSSES_OF_LABELS)}"
            )
        wrong = {"softmax": "bce", "sigmoid": "cross_entropy"}[config.input.activation]
        if term.name == wrong:
            raise ValueError(_WRONG_PAIR[wrong])


def check_synth(config: TrainConfig) -> None:
    """Refuse what does not go with cracks that are drawn on photographs."""
    synth = config.data.synth
    if synth.ground != "photographs":
        if synth.distractors:
            raise ValueError(
                "data.synth.distractors are drawn on photographs, but data.synth.ground = 'drawn'; "
                "drawn surfaces have their own: expected data.synth.options.always, a list of names, instead"
            )
        return
    wrong = ""
    if synth.kind != "concrete":
        wrong = f"kind = '{synth.kind}'; expected 'concrete', whose cracks are drawn"
    elif synth.validation_images:
        wrong = f"validation_images = {synth.validation_images}; expected 0, for photographs validate"
    elif synth.cache_dir:
        wrong = f"cache_dir = '{synth.cache_dir}'; expected none, for these pictures are not kept"
    if wrong:
        raise ValueError(f"with data.synth.ground = 'photographs' stands data.synth.{wrong}")


def _check_figures(config: TrainConfig) -> None:
    """Refuse figures that are not there to be monitored, and batches of images of several sizes."""
    dice, monitor = config.validation.figures == "dice", config.train.monitor
    if dice and (config.input.mode != "resize" or config.input.size_hw is None or config.data.crop_px):
        raise ValueError(
            "validation.figures = 'dice' looks at batches of whole images: set input.mode = 'resize', "
            "input.size_hw and data.crop_px = 0"
        )
    if monitor not in (("loss", "dice") if dice else ("loss", "f1", "f1_tol2")):
        raise ValueError(
            f"train.monitor = '{monitor}' is none of the figures of validation.figures = "
            f"'{config.validation.figures}'; expected {'loss or dice' if dice else 'loss, f1 or f1_tol2'}"
        )


_WRONG_PAIR = {
    "bce": "loss 'bce' asks of each class by itself whether it is there, but a softmax head makes the "
    "classes share one probability; expected cross_entropy or focal, or input.activation = 'sigmoid'",
    "cross_entropy": "loss 'cross_entropy' needs probabilities that sum to 1, but those of a sigmoid head "
    "are apart from one another; expected bce or focal, or input.activation = 'softmax'",
}
"""Why a head and a loss do not go together."""
