"""The one model of a training run: a recipe, ``--set``, the docs and ``config.toml`` all speak it.

Every field says its unit and range; unknown keys are refused with the nearest known one. This module imports
no torch, so that recipes can be listed and checked where torch is not installed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from flawscope.manifest import InputSpec
from flawscope.training.augment_config import AugmentConfig
from flawscope.training.classify_config import ClassifyConfig
from flawscope.training.config_checks import check_synth, check_task, check_together
from flawscope.training.learning_config import LossTerm, OptimiserConfig, ScheduleConfig
from flawscope.training.option_ranges import check_generator, check_shares
from flawscope.training.protocol_config import EncoderConfig, FoldsConfig
from flawscope.training.section import Section
from flawscope.training.two_step_config import TwoStepConfig
from flawscope.types import Task

Options = dict[str, Any]
Side = Annotated[int, Field(ge=32, le=8192)]
AreaPx = Annotated[int, Field(ge=0, le=1_000_000_000)]
ImageScale = Annotated[float, Field(ge=1 / 64, le=8)]
Transform = Literal["rotate180", "rotate10", "flip-horizontal", "flip-vertical"]


class ModelConfig(Section):
    """Which network is trained."""

    name: str = Field(default="unet", description="Name in flawscope.models.MODELS.")
    options: Options = Field(
        default_factory=dict, description="Options of that network, e.g. widths, norm, encoder."
    )
    prior: tuple[float, ...] | Literal["none", "data"] = Field(
        default="none",
        description="Share of positive pixels that the head starts from, one for each output, above 0 and "
        "below 1; data: as counted on the training images; none: the head starts at random.",
    )

    @field_validator("prior")
    @classmethod
    def _shares(cls, prior: Any) -> Any:
        if isinstance(prior, tuple) and not (prior and all(0 < share < 1 for share in prior)):
            raise ValueError("expected shares above 0 and below 1, one for each output")
        return prior


class SynthConfig(Section):
    """Procedural images: alone (no --data needed) or besides the real ones."""

    kind: str = Field(default="concrete", description="Kind of image, as in `flawscope synth KIND`.")
    ground: Literal["drawn", "photographs"] = Field(
        default="drawn",
        description="What cracks are drawn on: surfaces of the generator, or parts of the training "
        "photographs, which keep their own cracks (kind `concrete`; `options` as `options.cracks` else).",
    )
    images: int = Field(default=0, ge=0, description="Images in the pool; 0 = no synthetic images.")
    validation_images: int = Field(
        default=0,
        ge=0,
        description="Synthetic images for validation, with seeds of their own; needed without --data.",
    )
    size_hw: tuple[Side, Side] = Field(
        default=(512, 512), description="Height and width of each in px, 32..8192 (steel: 64..8192)."
    )
    renew: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the pool that is drawn anew each epoch, 0..1 (0 = fixed pool).",
    )
    options: Options = Field(default_factory=dict, description="Options of the generator.")
    distractors: Options = Field(
        default_factory=dict,
        description="What fools crack detectors, drawn on photographs without a label: name = share of them, "
        "0..1, such as { crazed-paint = 0.3, cable = 0.1 }. Drawn surfaces have their own (`options`).",
    )
    cache_dir: str = Field(
        default="", description="Folder that keeps rendered images between runs; empty = memory only."
    )

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        check_generator(self.kind, self.ground, self.options)
        check_shares(self.distractors, "distractors")
        return self


class BalanceConfig(Section):
    """Rare classes shown more often and common ones less, in the training part only.

    Setting ``target`` or ``method`` alone switches it on.
    """

    method: Literal["none", "copies", "sampler"] = Field(
        default="none",
        description="copies: turned and flipped copies of rare ones, fewer of common ones; "
        "sampler: each epoch draws images by weight; none: all images as they are.",
    )
    target: int | None = Field(
        default=None,
        ge=1,
        description="Images that each class is brought to; 1291 (the thesis) when not set.",
    )
    classes: tuple[str, ...] = Field(
        default=(), description="Names of the classes that are balanced; empty = all."
    )
    transforms: tuple[Transform, ...] = Field(
        default=("rotate180", "rotate10", "flip-horizontal", "flip-vertical"),
        min_length=1,
        description="What copies are made by, alone and combined.",
    )
    clean: int | None = Field(
        default=None,
        ge=0,
        description="Images without any class that are kept, drawn at random; all when not set.",
    )

    @model_validator(mode="before")
    @classmethod
    def _switched_on(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        if values.get("target") is not None:
            return {"method": "copies", **values}
        if values.get("method", "none") != "none":
            return {**values, "target": 1291}
        return values


class DataConfig(Section):
    """What the network is shown, and how often."""

    crop_px: int = Field(
        default=256, ge=0, le=4096, description="Edge of a training crop in px; 0 = whole images."
    )
    margin_px: int = Field(
        default=0,
        ge=0,
        le=512,
        description="Cut so many px more on each side, so that turned crops show real surroundings, 0..512.",
    )
    crops_per_image: int = Field(default=4, ge=1, le=4096, description="Crops of each image in one epoch.")
    positive_share: float = Field(
        default=0.5, ge=0, le=1, description="Share of crops laid around a random positive pixel, 0..1."
    )
    cache_mb: int = Field(
        default=2048,
        ge=0,
        description="Decoded images and masks kept in memory, in MiB; the rest are read again.",
    )
    balance_sources: bool = Field(
        default=False,
        description="Same number of crops from each source set (small sets are seen more often).",
    )
    balance: BalanceConfig = Field(default_factory=BalanceConfig, description="Rare and common classes.")
    synth: SynthConfig = Field(default_factory=SynthConfig, description="Procedural images.")
    protocol: str = Field(
        default="",
        description="Split protocol (`flawscope split --protocol NAME`) where neither --split nor the set "
        "gives a split; empty = none.",
    )
    protocol_options: Options = Field(
        default_factory=dict, description="Options of that protocol, e.g. per_class, clean."
    )

    @model_validator(mode="after")
    def _one_balance(self) -> DataConfig:
        if self.balance_sources and self.balance.method == "sampler":
            raise ValueError("balance_sources and balance.method = 'sampler' exclude each other")
        return self


class EarlyStoppingConfig(Section):
    """When to give up."""

    patience: int = Field(
        default=0, ge=0, description="Validations without improvement before stopping; 0 = never."
    )
    min_delta: float = Field(default=0.0, ge=0, description="Smallest change that counts as an improvement.")


class TrainLoopConfig(Section):
    """Length, pace and arithmetic of the run."""

    batch: int = Field(
        default=8, ge=1, le=4096, description="Crops a step on each process (before accumulation)."
    )
    epochs: int | None = Field(
        default=20, ge=1, description="Passes over the data; ignored when steps or minutes is set."
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        description="Optimiser steps in all; --minutes fixes this number. A length that --set names (epochs, "
        "steps or minutes) takes the place of the recipe's steps and minutes.",
    )
    minutes: float | None = Field(
        default=None,
        gt=0,
        description="Budget from process start to the last step, in minutes; steps follows from it. Beside "
        "a number of steps it only says when to stop.",
    )
    pace: Literal["fixed", "adaptive"] = Field(
        default="fixed",
        description="fixed: the steps that fit by the first timing; adaptive: a budget's end moves with the "
        "machine's speed, epoch by epoch, until a run is resumed.",
    )
    drop_last: bool = Field(
        default=False, description="Leave out the last step of an epoch where it has fewer crops than others."
    )
    accumulate: int = Field(default=1, ge=1, description="Batches whose gradients are summed for one step.")
    grad_clip: float = Field(default=0.0, ge=0, description="Largest norm of the gradient; 0 = no clipping.")
    ema_decay: float = Field(
        default=0.0, ge=0, lt=1, description="Decay of the running mean of the weights, a step; 0 = off."
    )
    side_weight: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Deep supervision: weight of each coarser output against the one before.",
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        default="fp32", description="Arithmetic of the forward pass."
    )
    channels_last: bool = Field(default=True, description="Memory order of tensors; faster on most machines.")
    device: Literal["auto", "cpu"] = Field(
        default="auto", description="auto: an accelerator when there is one."
    )
    threads: int = Field(
        default=0, ge=0, description="Threads of torch; 0 = all cores less the loader's workers."
    )
    workers: int = Field(
        default=-1,
        ge=-1,
        description="Processes that load data; 0 = in the loop itself; -1 = chosen for the machine.",
    )
    validate_every: int = Field(default=1, ge=1, description="Epochs from one validation to the next.")
    early_stopping: EarlyStoppingConfig = Field(
        default_factory=EarlyStoppingConfig, description="When to give up."
    )
    monitor: Literal["f1_tol2", "f1", "loss", "accuracy", "dice"] = Field(
        default="f1_tol2",
        description="Validation figure that names the best checkpoint and early stopping; f1_tol2 goes with "
        "masks, accuracy with labels, dice with validation.figures = 'dice'.",
    )
    keep: Literal["best", "last"] = Field(default="best", description="Which weights the bundle holds.")
    log_every: int = Field(
        default=20, ge=1, description="Steps from one progress line to the next (no terminal)."
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of everything that is drawn at random.")
    init: str = Field(
        default="", description="Bundle whose weights to start from; empty = random or encoder weights."
    )
    refit: bool = Field(
        default=False,
        description="With folds: one more run on all of them, less validation.share, for a bundle on top.",
    )


class ValidationConfig(Section):
    """Validation during training, and the choice of threshold and minimum area after it."""

    share: float = Field(
        default=0.2, gt=0, lt=1, description="Share of train, by group, that becomes val when there is none."
    )
    max_images: int = Field(
        default=0,
        ge=0,
        description="Images looked at while training; 0 = all. The choice of threshold uses all.",
    )
    figures: Literal["f1", "dice"] = Field(
        default="f1",
        description="f1: F1, IoU and loss on the photographs' own grid; dice: loss and soft Dice a batch of "
        "train.batch on the network's, as Keras tells them, for training too (whole images of one size).",
    )
    batch: int = Field(default=4, ge=1, le=256, description="Tiles a batch.")
    tta: bool = Field(default=False, description="Average over flips when the threshold is chosen.")
    threshold_rule: Literal["f1", "f1_tol2", "mean", "half"] = Field(
        default="f1_tol2",
        description="What the threshold maximises; mean: the mean of both; half: 0.5 and no minimum area, "
        "as the argmax of two classes.",
    )
    slack: float = Field(
        default=0.01,
        ge=0.0,
        le=0.5,
        description="Differences in it that are taken for noise of the validation images: of the thresholds "
        "that come so close to the best one the middle is chosen, of the minimum areas the smallest of those "
        "that tell most images right.",
    )
    min_area_px: tuple[AreaPx, ...] = Field(
        default=(0, 10, 25, 50, 100, 200),
        min_length=1,
        description="Minimum areas in px to choose from, 0 or more; see slack.",
    )
    presence_px: int | Literal["tuned"] = Field(
        default=1,
        description="Pixels of a class that make an image positive, 1 or more; with fewer it is not told at "
        "all. tuned: the number that tells most validation images right.",
    )
    presence_of_px: int = Field(
        default=0,
        ge=0,
        description="Pixels of the image that presence_px was meant for: photographs of another size get it "
        "in proportion; 0 = as it is.",
    )

    @field_validator("presence_px")
    @classmethod
    def _pixels(cls, presence_px: Any) -> Any:
        if isinstance(presence_px, int) and presence_px < 1:
            raise ValueError("expected 1 px or more, or 'tuned'")
        return presence_px


class BundleConfig(Section):
    """What the bundle says of itself."""

    name: str = Field(default="", description="Name of the bundle; empty = the recipe's.")
    licence: str = Field(
        default="unspecified: follows from the training data", description="Licence of the trained weights."
    )
    origin: str = Field(default="", description="Where the weights come from; empty = how they were trained.")
    overlaps: bool = Field(
        default=False,
        description="Classes may overlap in the answers although they never do in the data (sigmoid heads).",
    )
    size_hw: tuple[Side, Side] | None = Field(
        default=None,
        description="Mode resize: the size that it works at, where that is another than input.size_hw, which "
        "it is trained at.",
    )
    working_scales: tuple[ImageScale, ...] = Field(
        default=(1.0,),
        min_length=1,
        description="Image scales that inspection may try, 1/64..8; 1 = as trained.",
    )


class TrainConfig(Section):
    """A whole training run. ``flawscope recipes NAME`` prints one; ``config.toml`` keeps the resolved one."""

    recipe: str = Field(default="", description="Name of the recipe this started from.")
    description: str = Field(default="", description="What the recipe is for, in one line.")
    tables: tuple[str, ...] = Field(
        default=(), description="Printed tables of its paper, names of `flawscope table --like NAME`."
    )
    task: Task = Field(
        default="segmentation",
        description="What is learned: segmentation (from masks) or classification (from labels of images).",
    )
    expected_classes: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Classes of the data that the recipe was made for, for its printed table of layers; "
        "training takes those of the data set. 0 = one.",
    )
    model: ModelConfig = Field(default_factory=ModelConfig, description="Which network.")
    encoder: EncoderConfig = Field(default_factory=EncoderConfig, description="Its encoder, held still.")
    input: InputSpec = Field(
        default_factory=InputSpec,
        description="How an image enters it, and its activation; copied into the bundle's manifest. "
        "stride_multiple is taken from the network.",
    )
    data: DataConfig = Field(default_factory=DataConfig, description="What it is shown.")
    augment: AugmentConfig = Field(default_factory=AugmentConfig, description="How crops are varied.")
    loss: tuple[LossTerm, ...] = Field(
        default=(LossTerm(name="bce"), LossTerm(name="dice")),
        min_length=1,
        description="Terms of the loss, summed.",
    )
    optimiser: OptimiserConfig = Field(default_factory=OptimiserConfig, description="How weights move.")
    schedule: ScheduleConfig = Field(default_factory=ScheduleConfig, description="How the rate moves.")
    train: TrainLoopConfig = Field(default_factory=TrainLoopConfig, description="Length and pace.")
    validation: ValidationConfig = Field(
        default_factory=ValidationConfig, description="Validation and thresholds."
    )
    bundle: BundleConfig = Field(default_factory=BundleConfig, description="What the bundle says of itself.")
    folds: FoldsConfig = Field(default_factory=FoldsConfig, description="Runs of folds.")
    classify: ClassifyConfig = Field(
        default_factory=ClassifyConfig, description="Whole images and their labels (classification only)."
    )
    two_step: TwoStepConfig = Field(
        default_factory=TwoStepConfig, description="A gate before the classes (classification only)."
    )

    @model_validator(mode="after")
    def _consistent(self) -> TrainConfig:
        check_task(self)
        check_synth(self)
        check_together(self)
        return self
