"""What augmentation may do to a training crop, and how often. Imports no torch.

Each key is off at probability 0. Geometry moves image and mask together; colour and quality
touch the image only.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


def _check_range(
    pair: tuple[float, float], name: str, *, above: float = 0.0, up_to: float = float("inf")
) -> None:
    low, high = pair
    if not above < low <= high <= up_to:
        raise ValueError(f"{name} is {list(pair)}; expected {above:g} < smallest <= largest <= {up_to:g}")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AffineConfig(_Section):
    """Small rotation, scale, shear and shift in one resampling."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    rotate_deg: float = Field(15.0, ge=0, le=180, description="Largest rotation either way, in degrees.")
    scale: tuple[float, float] = Field((0.8, 1.25), description="Smallest and largest scale; 1 = unchanged.")
    shear_deg: float = Field(5.0, ge=0, le=45, description="Largest shear either way, in degrees.")
    shift: float = Field(0.0, ge=0, le=0.5, description="Largest shift either way, as a share of the crop.")
    fill: Literal["reflect", "constant"] = Field(
        "reflect", description="What the image shows outside itself; the mask there is ignored either way."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.scale, "scale")
        return self


class AmountConfig(_Section):
    """A change of random strength up to an amount, either way."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    amount: float = Field(0.2, ge=0, le=1, description="Largest change: 0 none, 1 as much again or nothing.")


class HueConfig(_Section):
    """Turns the colour circle."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    degrees: float = Field(10.0, ge=0, le=180, description="Largest turn either way, in degrees.")


class GammaConfig(_Section):
    """Value to the power of gamma, on 0..1."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    gamma: tuple[float, float] = Field((0.7, 1.4), description="Smallest and largest gamma, above 0.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.gamma, "gamma")
        return self


class BlurConfig(_Section):
    """Gaussian blur."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    sigma_px: tuple[float, float] = Field((0.4, 1.5), description="Smallest and largest sigma in px.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.sigma_px, "sigma_px")
        return self


class NoiseConfig(_Section):
    """Gaussian noise, alike or different in the three channels at even odds."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    sigma: tuple[float, float] = Field(
        (2.0, 12.0), description="Smallest and largest sigma, in grey levels of 255."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.sigma, "sigma")
        return self


class JpegConfig(_Section):
    """Compression and back."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    quality: tuple[int, int] = Field((40, 95), description="Lowest and highest quality, 1..100.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.quality, "quality", up_to=100.0)
        return self


class DownscaleConfig(_Section):
    """Made smaller and larger again: detail is lost, the mask stays."""

    p: float = Field(0.0, ge=0, le=1, description="Probability, 0..1.")
    factor: tuple[float, float] = Field((0.4, 0.8), description="Smallest and largest factor, below 1.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.factor, "factor", up_to=1.0)
        return self


class AugmentConfig(_Section):
    """Everything that may happen to a crop, in the order in which it happens."""

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
