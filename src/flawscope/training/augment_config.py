"""What augmentation may do to a training crop, and how often. Imports no torch.

Each key is off at probability 0. Geometry moves image and mask together; colour and quality
touch the image only.
"""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from flawscope.training.section import Section

RandomStep = Literal[
    "flip", "rotate", "brightness_contrast", "shift_scale_rotate", "shear", "scale", "translate",
    "multiplicative_noise", "gamma", "downscale", "hue_saturation_value", "clahe", "channel_dropout",
    "coarse_dropout", "colour_jitter", "gaussian_blur", "median_blur", "grid_dropout", "mask_dropout",
]  # fmt: skip
"""CoreDeep's nineteen augmentations."""

RANDOM_STEPS: tuple[RandomStep, ...] = get_args(RandomStep)


def _check_range(pair: tuple[float, float], name: str, up_to: float) -> None:
    low, high = pair
    if not 0 < low <= high <= up_to:
        raise ValueError(f"{name} is {list(pair)}; expected 0 < smallest <= largest <= {up_to:g}")


class AffineConfig(Section):
    """Small rotation, scale, shear and shift in one resampling."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    rotate_deg: float = Field(15.0, ge=0, le=180, description="Largest rotation either way, in degrees.")
    scale: tuple[float, float] = Field(
        (0.8, 1.25), description="Smallest and largest scale, above 0 up to 10; 1 = unchanged."
    )
    shear_deg: float = Field(5.0, ge=0, le=45, description="Largest shear either way, in degrees.")
    shift: float = Field(0.0, ge=0, le=0.5, description="Largest shift either way, as a share of the crop.")
    fill: Literal["reflect", "constant"] = Field(
        "reflect", description="What the image shows outside itself; the mask there is ignored either way."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.scale, "scale", 10.0)
        return self


class AmountConfig(Section):
    """A change of random strength up to an amount, either way."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    amount: float = Field(0.2, ge=0, le=1, description="Largest change: 0 none, 1 as much again or nothing.")


class HueConfig(Section):
    """Turns the colour circle."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    degrees: float = Field(10.0, ge=0, le=180, description="Largest turn either way, in degrees.")


class GammaConfig(Section):
    """Value to the power of gamma, on 0..1."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    gamma: tuple[float, float] = Field(
        (0.7, 1.4), description="Smallest and largest gamma, above 0 up to 10."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.gamma, "gamma", 10.0)
        return self


class BlurConfig(Section):
    """Gaussian blur."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    sigma_px: tuple[float, float] = Field(
        (0.4, 1.5), description="Smallest and largest sigma in px, above 0 up to 100."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.sigma_px, "sigma_px", 100.0)
        return self


class NoiseConfig(Section):
    """Gaussian noise, alike or different in the three channels at even odds."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    sigma: tuple[float, float] = Field(
        (2.0, 12.0), description="Smallest and largest sigma, in grey levels of 255, above 0."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.sigma, "sigma", 255.0)
        return self


class JpegConfig(Section):
    """Compression and back."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    quality: tuple[int, int] = Field((40, 95), description="Lowest and highest quality, 1..100.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.quality, "quality", 100.0)
        return self


class DownscaleConfig(Section):
    """Made smaller and larger again: detail is lost, the mask stays."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    factor: tuple[float, float] = Field(
        (0.4, 0.8), description="Smallest and largest factor, above 0 up to 1."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.factor, "factor", 1.0)
        return self


class StochasticWidthConfig(Section):
    """CoreDeep's stochastic width: training masks are dilated by squares, one after another."""

    mode: Literal["off", "every", "random"] = Field(
        "off",
        description="every: each image as often with each of its masks, as drawn and after 1, 2, ... squares "
        "(the paper's set of four masks an image); random: one of these masks drawn for each crop.",
    )
    kernels_px: tuple[int, ...] = Field(
        (3, 5, 8),
        min_length=1,
        max_length=16,
        description="Edges of the squares in px, 2..99 each; 3, 5, 8 widen a line by 2, 6 and 13 px.",
    )

    @model_validator(mode="after")
    def _edges(self) -> Self:
        if not all(2 <= edge <= 99 for edge in self.kernels_px):
            raise ValueError(f"kernels_px is {list(self.kernels_px)}; expected edges from 2 to 99 px")
        return self

    @property
    def versions(self) -> int:
        """Masks that an image can have."""
        return 1 if self.mode == "off" else 1 + len(self.kernels_px)


class RandomAugmentConfig(Section):
    """So many steps of a pool, drawn anew for each crop and done one after another (RandAugment)."""

    n: int = Field(0, ge=0, le=19, description="Steps a crop; 0 = off, CoreDeep takes 2.")
    magnitude: float = Field(
        0.5, ge=0, le=1, description="Strength of every step: 0 barely visible, 1 the most it can do."
    )
    replace: bool = Field(False, description="Whether a step may be drawn twice for one crop.")
    pool: tuple[RandomStep, ...] = Field(
        RANDOM_STEPS, min_length=1, description="Names of the steps to draw from."
    )

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if len(set(self.pool)) != len(self.pool):
            raise ValueError("pool names a step twice; name each once")
        if self.n > len(self.pool) and not self.replace:
            raise ValueError(f"n is {self.n} and the pool has {len(self.pool)} steps; expected no more")
        return self


class AugmentConfig(Section):
    """Everything that may happen to a crop, in the order in which it happens."""

    stochastic_width: StochasticWidthConfig = Field(
        default_factory=StochasticWidthConfig, description="Training masks drawn wider."
    )

    four_flips: Literal["off", "every", "random"] = Field(
        "off",
        description="every: each image as often as it is, left for right, top for bottom, and both "
        "(four times the set); random: one of these four drawn for each crop; off: see the next two keys.",
    )
    flip_horizontal: float = Field(0.5, ge=0, le=1, description="Probability of left for right.")
    flip_vertical: float = Field(0.5, ge=0, le=1, description="Probability of top for bottom.")
    rotate90: float = Field(
        0.5, ge=0, le=1, description="Probability of quarter turns (half turns where a crop is not square)."
    )
    affine: AffineConfig = Field(default_factory=AffineConfig, description="Rotation, scale, shear, shift.")
    downscale: DownscaleConfig = Field(default_factory=DownscaleConfig, description="Loss of detail.")
    blur: BlurConfig = Field(default_factory=BlurConfig, description="Gaussian blur.")
    brightness: AmountConfig = Field(default_factory=AmountConfig, description="Factor on all values.")
    contrast: AmountConfig = Field(
        default_factory=AmountConfig, description="Factor on distances from the mean grey."
    )
    gamma: GammaConfig = Field(default_factory=GammaConfig, description="Power of the values.")
    saturation: AmountConfig = Field(
        default_factory=AmountConfig, description="Factor on distance from grey."
    )
    hue: HueConfig = Field(default_factory=HueConfig, description="Turn of the colour circle.")
    grey: float = Field(0.0, ge=0, le=1, description="Probability that colour is lost.")
    noise: NoiseConfig = Field(default_factory=NoiseConfig, description="Gaussian noise.")
    jpeg: JpegConfig = Field(default_factory=JpegConfig, description="JPEG compression.")
    random: RandomAugmentConfig = Field(
        default_factory=RandomAugmentConfig, description="Steps drawn from a pool, after all others."
    )
