"""Two surfaces side by side: a patch, a plinth, a kerb, a repair. Their border is no crack."""

from __future__ import annotations

import numpy as np

from flawscope.data.synthetic import noise
from flawscope.data.synthetic.canvas import Canvas, Float32Array
from flawscope.data.synthetic.noise import chance, log_uniform


def join(rng: np.random.Generator, ground: Canvas, other: Canvas) -> str:
    """Lays ``other`` (same size) over a part of ``ground``, in place; returns the kind of border.

    Lines of ``ground`` stay listed as joints, those of ``other`` are dropped.
    """
    signed = _region(rng, ground.size_hw)
    ragged = noise.field("pink", rng, ground.size_hw)
    signed = signed + ragged * log_uniform(rng, 0.2, 6.0)
    soft_px = log_uniform(rng, 0.6, 6.0)
    cover = noise.smoothstep(signed, -soft_px, soft_px)
    ground.rgb += cover[..., None] * (other.rgb - ground.rgb)
    step_px = float(rng.normal(0, 1.5))
    ground.height += cover * (other.height - ground.height + np.float32(step_px))
    border = str(rng.choice(["plain", "dark", "light"], p=[0.5, 0.35, 0.15]))
    if border != "plain":
        width_px = log_uniform(rng, 0.8, 6.0)
        line = np.exp(-((signed / np.float32(width_px)) ** 2))
        line *= np.clip(float(rng.uniform(0.3, 0.9)) + 0.3 * noise.field("cloud", rng, ground.size_hw), 0, 1)
        factor = -float(rng.uniform(0.3, 0.8)) if border == "dark" else float(rng.uniform(0.2, 0.6))
        ground.rgb *= (1 + factor * line)[..., None]
    return border


def blank(rng: np.random.Generator, ground: Canvas) -> str:
    """Covers a part of ``ground`` with one flat tone: sky, a frame, a void, the end of the part."""
    signed = _region(rng, ground.size_hw) - np.float32(max(ground.size_hw) * rng.uniform(0, 0.25))
    cover = noise.smoothstep(signed, -1.0, log_uniform(rng, 0.5, 6.0))
    level = float(rng.choice([0.01, 0.05, 0.3, 0.7, 1.0]))
    tone = np.clip(level * (1 + rng.normal(0, 0.1, 3)), 0, 1).astype(np.float32)
    ground.rgb += cover[..., None] * (tone - ground.rgb)
    ground.height *= 1 - cover
    return "dark" if level < 0.2 else "light"


def _region(rng: np.random.Generator, size_hw: tuple[int, int]) -> Float32Array:
    """Signed distance in px to the border of a half-plane, a strip, a box or a blob; positive inside."""
    h, w = size_hw
    angle = (
        float(rng.normal(0, 0.12) + rng.integers(4) * np.pi / 2)
        if chance(rng, 0.7)
        else rng.uniform(0, 2 * np.pi)
    )
    y0, x0 = rng.uniform(0.1, 0.9, 2) * (h, w)
    yy = (np.arange(h, dtype=np.float32) - np.float32(y0))[:, None]
    xx = (np.arange(w, dtype=np.float32) - np.float32(x0))[None, :]
    along = xx * np.float32(np.cos(angle)) + yy * np.float32(np.sin(angle))
    across = yy * np.float32(np.cos(angle)) - xx * np.float32(np.sin(angle))
    shape = str(rng.choice(["half", "strip", "box", "blob"], p=[0.4, 0.2, 0.25, 0.15]))
    size_px = max(size_hw) * rng.uniform(0.08, 0.4, 2)
    if shape == "half":
        return along.astype(np.float32)
    if shape == "strip":
        return np.float32(size_px[0] / 2) - np.abs(along)
    if shape == "box":
        return np.minimum(np.float32(size_px[0]) - np.abs(along), np.float32(size_px[1]) - np.abs(across))
    wobble = noise.field("cloud", rng, size_hw, 2.0) * np.float32(size_px[0] * 0.3)
    return (np.float32(size_px[0]) - np.hypot(along, across) + wobble).astype(np.float32)
