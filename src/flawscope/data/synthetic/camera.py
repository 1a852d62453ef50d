"""From a painted surface to a photograph: light, lens, sensor, the phone's sharpening, JPEG.

Nothing here moves a pixel, so mask and centrelines stay as they are (`concrete.py` does the only resizing).
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Canvas, Float32Array
from flawscope.data.synthetic.noise import chance, log_uniform

Picture = npt.NDArray[np.uint8]


def light(rng: np.random.Generator, canvas: Canvas) -> Float32Array:
    """Light that the surface sends to the lens: H x W x 3 float32, linear, about 0..1 before exposure."""
    shading = _relief(rng, canvas.height)
    shading *= _uneven(rng, canvas.size_hw)
    out = canvas.rgb * shading[..., None]
    if chance(rng, 0.27):
        _cast_shadow(rng, out)
    if canvas.material in ("painted-steel", "plaster") and chance(rng, 0.3):
        _gloss(rng, out)
    return out


def photograph(
    rng: np.random.Generator, scene: Float32Array, crisp: float = 0.4, level: float = 0.25
) -> tuple[Picture, dict[str, Any]]:
    """A picture H x W x 3 uint8 of the light ``scene`` (H x W x 3 linear), and what the camera did.

    ``crisp`` (0..1) is the share of pictures that are sharpened; the more of them, the fewer are blurred.
    ``level`` is the mean linear brightness, 0..1, that the exposure aims at on average.
    """
    steps: dict[str, Any] = {}
    picture = Image.fromarray(_develop(rng, scene, level, steps))
    picture = _lens(rng, picture, crisp, steps)
    if chance(rng, 0.75):
        picture = Image.fromarray(_sensor_noise(rng, np.asarray(picture), steps))
    if chance(rng, crisp):
        amount, radius = log_uniform(rng, 30, 190), float(rng.uniform(0.5, 2.0))
        picture = picture.filter(ImageFilter.UnsharpMask(radius, round(amount), 0))
        steps["sharpened"] = [round(amount), round(radius, 2)]
    if chance(rng, 0.12):
        picture = picture.convert("L").convert("RGB")
        steps["grey"] = True
    if chance(rng, 0.8):
        quality = int(rng.integers(32, 98))
        picture = compress(picture, quality, int(rng.choice([0, 2])))
        steps["jpeg"] = quality
    return np.array(picture.convert("RGB")), steps


def compress(picture: Image.Image, quality: int, subsampling: int = 2) -> Image.Image:
    """The picture after a round through JPEG in memory."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    buffer.seek(0)
    with Image.open(buffer) as again:
        return again.convert("RGB")


def _relief(rng: np.random.Generator, height: Float32Array) -> Float32Array:
    """Shading by slope and hollows: H x W, about 1 on flat ground."""
    angle = rng.uniform(0, 2 * np.pi)
    strength = float(rng.uniform(0.1, 0.75)) if chance(rng, 0.7) else float(rng.uniform(0.0, 0.15))
    slope = np.empty_like(height)
    slope[:, 1:-1] = (height[:, 2:] - height[:, :-2]) * np.float32(np.cos(angle) / 2)
    slope[:, 0], slope[:, -1] = slope[:, 1], slope[:, -2]
    slope[1:-1] += (height[2:] - height[:-2]) * np.float32(np.sin(angle) / 2)
    # A saturating curve: steep edges are bright or dark, never absurd.
    slope *= np.float32(strength)
    shading = 1 + slope / (1 + 0.6 * np.abs(slope))
    depth = height - noise.blur(height, float(rng.uniform(5, 12)))
    hollow = np.minimum(depth, 0) * np.float32(rng.uniform(0.02, 0.2))
    shading *= 1 / (1 - hollow)
    return np.clip(shading, 0.08, 2.6)


def _uneven(rng: np.random.Generator, size_hw: tuple[int, int]) -> Float32Array:
    """A slow gradient and the vignette: H x W."""
    h, w = size_hw
    yy = np.linspace(-1, 1, h, dtype=np.float32)[:, None]
    xx = np.linspace(-1, 1, w, dtype=np.float32)[None, :]
    tilt = np.clip(rng.normal(0, 0.12, 2), -0.4, 0.4)
    field = 1 + np.float32(tilt[0]) * yy + np.float32(tilt[1]) * xx
    if chance(rng, 0.4):
        field = field * (1 - np.float32(rng.uniform(0.05, 0.3)) * (yy * yy + xx * xx) / 2)
    return np.maximum(field, 0.25).astype(np.float32)


def _cast_shadow(rng: np.random.Generator, scene: Float32Array) -> None:
    """Shadows of leaves, branches or a wall's edge, soft or hard, a little blue."""
    size_hw = (scene.shape[0], scene.shape[1])
    kind = str(rng.choice(["leaves", "cloud", "edge", "branch", "limbs"], p=[0.35, 0.15, 0.2, 0.15, 0.15]))
    extent = max(size_hw) / 512
    if kind == "leaves":
        pattern = noise.field("blob", rng, size_hw, log_uniform(rng, 4, 16) * extent)
        pattern += 0.6 * noise.field("pink", rng, size_hw, 2 * extent)
        pattern += float(rng.uniform(0.5, 1.6)) * noise.field("cloud", rng, size_hw, 1.5 * extent)
        low = float(rng.uniform(-1.0, 1.0))
        cover = noise.smoothstep(pattern, low, low + float(rng.uniform(0.5, 2.2)))
    elif kind == "cloud":
        pattern = noise.field("cloud", rng, size_hw, log_uniform(rng, 1, 3) * extent)
        low = float(rng.uniform(-0.6, 0.6))
        cover = noise.smoothstep(pattern, low, low + float(rng.uniform(0.15, 0.8)))
    elif kind == "limbs":
        cover = _limbs(rng, size_hw)
    else:
        distance = _line_distance(rng, size_hw)
        ragged = noise.field("cloud", rng, size_hw, 1.5) * float(rng.uniform(0, 14))
        soft_px = log_uniform(rng, 1.5, 25)
        if kind == "edge":
            cover = noise.smoothstep(distance + ragged, -soft_px, soft_px)
        else:
            half_px = log_uniform(rng, 5, 50)
            cover = 1 - noise.smoothstep(
                np.abs(distance + 2 * ragged), half_px - soft_px / 2, half_px + soft_px
            )
    depth = float(rng.uniform(0.3, 0.8))
    tint = np.array([1.0, 0.97, 0.9]) if chance(rng, 0.7) else np.ones(3)
    for channel in range(3):
        scene[..., channel] *= 1 - np.float32(depth * tint[channel]) * cover


def _limbs(rng: np.random.Generator, size_hw: tuple[int, int]) -> Float32Array:
    """Shadow 0..1 of a tree's limbs: several broad, crossing, ragged bands, soft as the tree is high."""
    sway = noise.field("cloud", rng, size_hw, 1.5) * np.float32(rng.uniform(4, 16))
    sway += noise.field("blob", rng, size_hw, 3.0) * np.float32(rng.uniform(0, 3))
    soft_px = log_uniform(rng, 3, 14)
    cover = np.zeros(size_hw, np.float32)
    for _ in range(int(rng.integers(2, 5))):
        half_px = log_uniform(rng, 3, 35)
        distance = np.abs(_line_distance(rng, size_hw) + sway)
        np.maximum(cover, 1 - noise.smoothstep(distance, half_px - soft_px / 2, half_px + soft_px), out=cover)
    return cover


def _line_distance(rng: np.random.Generator, size_hw: tuple[int, int]) -> Float32Array:
    """Signed distance (px) to a random straight line through the picture: H x W."""
    h, w = size_hw
    angle = rng.uniform(0, 2 * np.pi)
    y0, x0 = rng.uniform(0.1, 0.9, 2) * (h, w)
    yy = (np.arange(h, dtype=np.float32) - np.float32(y0))[:, None] * np.float32(np.sin(angle))
    xx = (np.arange(w, dtype=np.float32) - np.float32(x0))[None, :] * np.float32(np.cos(angle))
    return (yy + xx).astype(np.float32)


def _gloss(rng: np.random.Generator, scene: Float32Array) -> None:
    h, w = scene.shape[:2]
    y0, x0 = rng.uniform(-0.1, 1.1, 2) * (h, w)
    yy = ((np.arange(h) - y0) / (h * rng.uniform(0.15, 0.7)))[:, None]
    xx = ((np.arange(w) - x0) / (w * rng.uniform(0.15, 0.7)))[None, :]
    shine = np.exp(-(yy * yy + xx * xx)).astype(np.float32)
    scene += (float(rng.uniform(0.05, 0.4)) * shine)[..., None]


def _develop(rng: np.random.Generator, scene: Float32Array, level: float, steps: dict[str, Any]) -> Picture:
    """Exposure, white balance, gamma and contrast through one table a channel: uint8."""
    sample = scene[::4, ::4]
    mean = float(sample.mean())
    target = float(np.clip(rng.normal(level, 0.11), 0.03, 0.62))
    # Cameras meter: most of the surface's own brightness goes, some of it stays.
    exposure = (target / max(mean, 1e-3)) ** float(rng.uniform(0.5, 1.0))
    balance = np.exp(rng.normal(0, 0.04, 3) + rng.normal(0, 0.05) * np.array([1, 0, -1]))
    bend, lift = float(rng.uniform(-0.25, 0.55)), float(rng.uniform(-0.02, 0.06) if chance(rng, 0.4) else 0)
    steps["exposure"] = round(exposure, 3)
    grid = np.linspace(0, 1, 2048)
    out = np.empty(scene.shape, np.uint8)
    for channel in range(3):
        gain = exposure * float(balance[channel])
        # The table spans 0..top so that bright surfaces keep their resolution.
        top = 1.25 / gain
        screen = np.minimum(grid * 1.25, 1.0) ** (1 / 2.2)
        curve = screen + bend * (screen - 0.5) * (1 - np.abs(2 * screen - 1)) * 0.8
        table = (np.clip(lift + curve * (1 - lift), 0, 1) * 255).round().astype(np.uint8)
        index = np.clip(scene[..., channel] * np.float32(2047 / top), 0, 2047).astype(np.int16)
        out[..., channel] = table[index]
    return out


def _lens(rng: np.random.Generator, picture: Image.Image, crisp: float, steps: dict[str, Any]) -> Image.Image:
    """Defocus, motion, or a small picture that somebody enlarged."""
    kind = float(rng.random()) + 0.5 * (crisp - 0.4)
    if kind < 0.38:
        radius = float(rng.uniform(0.3, 1.0)) if chance(rng, 0.8) else float(rng.uniform(1.0, 2.0))
        steps["defocus_px"] = round(radius, 2)
        return picture.filter(ImageFilter.GaussianBlur(radius))
    if kind < 0.44:
        length = int(rng.integers(2, 6))
        steps["motion_px"] = length
        return _motion(rng, picture, length)
    if kind < 0.56:
        factor = float(rng.uniform(0.45, 0.85))
        w, h = picture.size
        steps["enlarged"] = round(1 / factor, 2)
        small = picture.resize((max(2, round(w * factor)), max(2, round(h * factor))), Image.Resampling.BOX)
        if chance(rng, 0.5):
            small = small.filter(ImageFilter.UnsharpMask(1.0, int(rng.integers(40, 200)), 0))
        return small.resize((w, h), Image.Resampling.BICUBIC)
    return picture


def _motion(rng: np.random.Generator, picture: Image.Image, length: int) -> Image.Image:
    pixels = np.asarray(picture)
    angle = rng.uniform(0, np.pi)
    total = np.zeros(pixels.shape, np.uint16)
    for step in np.arange(length) - (length - 1) / 2:
        dy, dx = round(step * np.sin(angle)), round(step * np.cos(angle))
        total += _shifted(pixels, dy, dx)
    return Image.fromarray((total // length).astype(np.uint8))


def _shifted(pixels: Picture, dy: int, dx: int) -> Picture:
    h, w = pixels.shape[:2]
    rows = np.clip(np.arange(h) + dy, 0, h - 1)
    cols = np.clip(np.arange(w) + dx, 0, w - 1)
    return pixels[rows][:, cols]


def _sensor_noise(rng: np.random.Generator, pixels: Picture, steps: dict[str, Any]) -> Picture:
    """Luminance noise (more of it in the light parts) and a little colour noise, in screen values."""
    size_hw = (pixels.shape[0], pixels.shape[1])
    sigma = log_uniform(rng, 0.6, 7.5)
    steps["noise"] = round(sigma, 2)
    kind: noise.NoiseKind = "soft" if chance(rng, 0.5) else "white"
    grain = noise.field(kind, rng, size_hw) * np.float32(sigma)
    out = pixels.astype(np.float32)
    out += grain[..., None]
    if chance(rng, 0.4):
        colour = noise.field("soft", rng, size_hw) * np.float32(sigma * rng.uniform(0.2, 0.7))
        out[..., 0] += colour
        out[..., 2] -= colour
    return np.clip(out, 0, 255).astype(np.uint8)
