"""What a model bundle says of itself: the models behind ``manifest.json``.

All models are frozen and refuse unknown keys, so a manifest that validates holds exactly what is documented
here. Reading and checking the files themselves is the business of :mod:`flawscope.bundle`.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from flawscope.types import ClassInfo, ClassKind, Task

SCHEMA = 1
"""Newest manifest schema that this version reads and the one that it writes."""

MANIFEST_NAME = "manifest.json"

Role = Literal["gate", "classify", "segment"]
FileRole = Literal["onnx", "onnx_int8", "openvino", "litert", "weights"]
Share = Annotated[float, Field(ge=0.0, le=1.0)]

_MOST_SIDE_PX = 16384
_MOST_PX = 2**26
"""67 megapixels: a network's input of so many pixels takes 0.8 GB before its first layer."""
_LEAST_STD, _MOST_MEAN = 1e-6, 1e6
"""Beyond these float32 has no numbers for what the network is given."""


class Strict(BaseModel):
    """Base: frozen, unknown keys refused, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    later: ClassVar[frozenset[str]] = frozenset()
    """Keys that older manifests do not have. They are left out where they say nothing but their default, so
    that such a manifest keeps its text, and the bundle its hash."""

    @model_serializer(mode="wrap")
    def _without_later(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = write(self)
        fields = type(self).model_fields
        idle = {
            key
            for key in self.later
            if getattr(self, key) == fields[key].get_default(call_default_factory=True)
        }
        return {key: value for key, value in content.items() if key not in idle}


class ClassSpec(Strict):
    """One class, as :class:`flawscope.types.ClassInfo`."""

    id: int = Field(ge=0, le=254)
    name: str = Field(min_length=1, max_length=100)
    colour: str = Field(default="#e6194b", pattern=r"^#[0-9a-fA-F]{6}$")
    kind: ClassKind = "line"

    def info(self) -> ClassInfo:
        """The class as the other rooms take it."""
        return ClassInfo(id=self.id, name=self.name, colour=self.colour, kind=self.kind)


class InputSpec(Strict):
    """How a photograph becomes the network's input, and how its answer becomes probabilities."""

    mode: Literal["tile", "resize"] = Field(
        default="tile",
        description="tile: overlapping tiles of the photograph as it is; resize: all of it, resized.",
    )
    size_px: int = Field(default=512, ge=1, le=16384, description="Edge of a tile, halo included.")
    stride_multiple: int = Field(
        default=32, ge=1, le=1024, description="Input height and width are multiples of this."
    )
    halo_px: int = Field(
        default=48, ge=0, le=4096, description="Rim of a tile that is computed and never used."
    )
    blend_px: int = Field(
        default=32, ge=0, le=4096, description="Width of the ramp from one tile to the next, inside the halo."
    )
    size_hw: tuple[int, int] | None = Field(default=None, description="mode resize: the network's input.")
    factor: float | None = Field(default=None, gt=0.0, le=8.0, description="mode resize: share of the size.")
    channels: Literal["rgb", "grey", "grey3"] = Field(
        default="rgb", description="rgb; grey: one channel of luma; grey3: that channel three times."
    )
    mean: tuple[float, ...] = Field(default=(0.5, 0.5, 0.5), description="Per channel, on values 0..1.")
    std: tuple[float, ...] = Field(default=(0.25, 0.25, 0.25), description="Per channel, on values 0..1.")
    activation: Literal["sigmoid", "softmax"] = Field(
        default="sigmoid",
        description="sigmoid: each class on its own, so they may overlap; softmax: background or one class.",
    )

    @property
    def channel_count(self) -> int:
        """Channels of the network's input."""
        return 1 if self.channels == "grey" else 3

    @property
    def one_size(self) -> bool:
        """Whether every photograph is seen at one size, so that so many of its pixels are a share of it."""
        return self.mode == "resize" and self.size_hw is not None

    @property
    def overlap_px(self) -> int:
        """Least overlap of two neighbouring tiles."""
        return 2 * self.halo_px + self.blend_px

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        count = self.channel_count
        if len(self.mean) != count or len(self.std) != count:
            raise ValueError(f"mean and std need {count} values for channels = {self.channels!r}")
        if any(value < _LEAST_STD for value in self.std):
            raise ValueError(f"std must be at least {_LEAST_STD:g}")
        if any(abs(value) > _MOST_MEAN for value in self.mean):
            raise ValueError(f"mean lies between {-_MOST_MEAN:g} and {_MOST_MEAN:g}")
        if self.mode == "resize":
            if (self.size_hw is None) == (self.factor is None):
                raise ValueError("mode 'resize' needs either size_hw or factor")
            if self.size_hw is not None and not _is_size(self.size_hw):
                raise ValueError(
                    f"size_hw is {list(self.size_hw)}; expected 1 to {_MOST_SIDE_PX} px a side, and at most "
                    f"{_MOST_PX} px in all"
                )
            return self
        if self.size_px % self.stride_multiple:
            raise ValueError(
                f"size_px {self.size_px} is no multiple of stride_multiple {self.stride_multiple}"
            )
        if self.size_px - self.overlap_px < self.stride_multiple:
            raise ValueError(
                f"size_px {self.size_px} leaves no room for twice the halo ({self.halo_px}), "
                f"the ramp ({self.blend_px}) and one step of {self.stride_multiple}"
            )
        return self


class NetworkSpec(Strict):
    """Name and options of the network in ``flawscope.models.MODELS``; empty for graphs from elsewhere."""

    name: str = ""
    options: dict[str, Any] = Field(default_factory=dict)


class Chosen(Strict):
    """A number with the rule that chose it and the data that it was chosen on."""

    later: ClassVar[frozenset[str]] = frozenset({"of_px", "digests"})

    value: float
    rule: str = ""
    data: str = ""
    of_px: int | None = Field(
        default=None,
        ge=1,
        description="Of a number of pixels: the photograph that it is meant for, height times width; others "
        "get it in proportion. None: every photograph takes it as it is.",
    )
    digests: str = Field(
        default="",
        pattern=r"^([0-9a-f]{8})*$",
        description="Of the images that it was chosen on, 8 digits each; empty where they were not kept.",
    )


class WidthErrors(Strict):
    """How much wider than the truth the network marks a class, in its own pixels, at several thresholds.

    Inspection takes the bias off the widths of lines (``threshold --method widths`` measures it).
    """

    thresholds: tuple[Annotated[float, Field(gt=0.0, lt=1.0)], ...] = Field(min_length=1)
    bias_px: tuple[Annotated[float, Field(ge=-100.0, le=100.0)], ...]
    """Median of marked less true width at each threshold."""
    u_px: tuple[Annotated[float, Field(ge=0.0, le=100.0)], ...]
    """Standard uncertainty of a width once the bias is off."""
    points: int = Field(ge=1, description="Places along centrelines that it was found on.")
    rule: str = ""
    data: str = ""

    @model_validator(mode="after")
    def _table(self) -> Self:
        if not len(self.thresholds) == len(self.bias_px) == len(self.u_px):
            raise ValueError("thresholds, bias_px and u_px are of one length")
        if any(low >= high for low, high in pairwise(self.thresholds)):
            raise ValueError("the thresholds of width errors rise")
        return self


class StageSpec(Strict):
    """One network of the bundle and its files, as paths inside the bundle with ``/``.

    A ``gate`` looks at the whole image, resized as its own ``input`` says, and answers with one logit:
    whether there is a defect. What it takes for clean is spared the other stages.
    """

    later: ClassVar[frozenset[str]] = frozenset({"input", "threshold"})

    role: Role = "segment"
    network: NetworkSpec = NetworkSpec()
    files: dict[FileRole, str]
    input: InputSpec | None = Field(
        default=None, description="Input of a gate; the other stages have the manifest's."
    )
    threshold: Chosen | None = Field(
        default=None, description="Gate: probability of a defect from which the image is looked at closely."
    )

    @model_validator(mode="after")
    def _gate_is_whole(self) -> Self:
        if self.role != "gate":
            if self.input is not None or self.threshold is not None:
                raise ValueError("only a gate has an input and a threshold of its own")
            return self
        if self.input is None or self.input.size_hw is None or self.input.activation != "sigmoid":
            raise ValueError("a gate needs its own input: mode 'resize', size_hw, activation 'sigmoid'")
        if self.threshold is not None and not 0.0 <= self.threshold.value <= 1.0:
            raise ValueError("the threshold of a gate lies between 0 and 1")
        return self

    @field_validator("files")
    @classmethod
    def _not_empty(cls, files: dict[FileRole, str]) -> dict[FileRole, str]:
        if not files:
            raise ValueError("a stage needs at least one file")
        return files


class Promise(Strict):
    """How much of a class will be missed at most, and all that this holds for (``threshold --method risk``).

    Change any of it and the promise is void; see :mod:`flawscope.inspection.promises`.
    """

    later: ClassVar[frozenset[str]] = frozenset({"fusion"})

    risk: Literal["pixels", "cracks", "images"]
    level: float = Field(gt=0.0, lt=1.0, description="Largest share that is missed.")
    confidence: float | None = Field(
        default=None, gt=0.0, lt=1.0, description="None: in expectation over units to come."
    )
    method: str
    unit: str = Field(description="What is drawn as a whole: a group, such as a photograph or a part.")
    units: int = Field(ge=1, description="Units with the class that it was found on.")
    data: str = Field(description="Data set and part of them, used for nothing else.")
    threshold: float = Field(ge=0.0, le=1.0)
    min_area_px: int = Field(ge=0)
    presence_px: int = Field(ge=0)
    file: str = Field(description="The stage's file that was run.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    runtime: str
    input: InputSpec
    flip_tta: bool = False
    scales: tuple[float, ...] | Literal["native", "auto"] = "native"
    fusion: Literal["choose", "mean", "max"] = Field(
        default="choose", description="What was done with several scales."
    )

    @property
    def words(self) -> str:
        """The promise in a line."""
        how = "in expectation" if self.confidence is None else f"with confidence {self.confidence:g}"
        return f"at most {self.level:g} of {self.risk} missed, {how}"


class Manifest(Strict):
    """The whole of ``manifest.json``."""

    later: ClassVar[frozenset[str]] = frozenset({"width_errors", "differences_data"})

    schema_version: int = Field(default=SCHEMA, alias="schema", ge=1)
    name: str = ""
    task: Task = "segmentation"
    classes: tuple[ClassSpec, ...] = Field(min_length=1)
    input: InputSpec
    stages: tuple[StageSpec, ...] = Field(min_length=1)
    thresholds: dict[str, Chosen] = Field(default_factory=dict)
    min_area_px: dict[str, Chosen] = Field(default_factory=dict)
    presence_px: dict[str, Chosen] = Field(default_factory=dict)
    promises: dict[str, Promise] = Field(default_factory=dict)
    """Class name -> what its threshold promises about misses."""
    width_errors: dict[str, WidthErrors] = Field(default_factory=dict)
    """Class name -> what is taken off the widths of its lines."""
    multi_label: bool = False
    """Classes may overlap (severstal-like stacks); false when the most probable class wins."""
    working_scales: tuple[Annotated[float, Field(gt=0.0, le=8.0)], ...] = (1.0,)
    """Sizes relative to the photograph that the scale finder tries; 1.0 = as it is."""
    width_range_px: tuple[float, float] | None = None
    """Crack widths that the network was trained on (5th to 95th percentile), in network pixels."""
    seam_difference: float | None = Field(default=None, ge=0.0)
    """Largest probability difference between tiled and whole-image runs."""
    parity_difference: float | None = Field(default=None, ge=0.0)
    """Largest probability difference between the exported and the trained network."""
    differences_data: str = ""
    """The images that both were measured on; training takes 3 of its own for the seams."""
    metrics: dict[str, Any] = Field(default_factory=dict)
    fingerprint: dict[str, Any] = Field(default_factory=dict)
    """What the training data looked like: names, counts, hash."""
    flawscope_version: str = ""
    licence: str = ""
    origin: str = ""
    sha256: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(default_factory=dict)

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    @field_validator("metrics", "fingerprint")
    @classmethod
    def _finite(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not _all_finite(value):
            raise ValueError("NaN and infinity are no JSON; leave such figures out")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [item.name for item in self.classes]
        ids = [item.id for item in self.classes]
        if len(set(names)) != len(names) or len(set(ids)) != len(ids):
            raise ValueError("class names and ids must be unique")
        if self.task == "segmentation" and 0 in ids:
            raise ValueError("segmentation classes start at 1 (0 is background)")
        if self.task == "classification" and not self.input.one_size:
            raise ValueError("a classifier sees images of one size: mode 'resize' and size_hw")
        roles = [stage.role for stage in self.stages]
        if len(set(roles)) != len(roles):
            raise ValueError("a bundle has one stage of a role")
        if self.two_step and len(self.classes) < 2:
            raise ValueError("a gate before a classifier: the first class means clean, others are needed")
        for key in ("thresholds", "min_area_px", "presence_px", "promises", "width_errors"):
            unknown = sorted(set(getattr(self, key)) - set(names))
            if unknown:
                raise ValueError(f"{key} names unknown classes: {', '.join(unknown)}")
        if any(not 0.0 <= item.value <= 1.0 for item in self.thresholds.values()):
            raise ValueError("thresholds lie between 0 and 1")
        for item in (*self.min_area_px.values(), *self.presence_px.values()):
            if item.value < 0:
                raise ValueError("areas are 0 px or more")
        if self.width_range_px is not None and not 0 < self.width_range_px[0] <= self.width_range_px[1]:
            raise ValueError("width_range_px is (smallest, largest), above 0")
        return self

    @property
    def two_step(self) -> bool:
        """A gate, then a class of each defective image: the first class is the clean one, and the classifying
        stage answers for the others."""
        return self.task == "classification" and any(stage.role == "gate" for stage in self.stages)

    def to_json(self) -> str:
        """The manifest as stable, human-readable JSON text."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def _is_size(size_hw: tuple[int, int]) -> bool:
    return all(1 <= side <= _MOST_SIDE_PX for side in size_hw) and size_hw[0] * size_hw[1] <= _MOST_PX


def _all_finite(value: object) -> bool:
    if isinstance(value, dict):
        return all(_all_finite(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_all_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)
