"""Probabilities of a whole photograph: tiles or resize, flips, working scales; whole or in bands.

``predict_probability`` is for pictures in memory; ``predict_bands`` gives the same rows from top to bottom
for pictures of any size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from flawscope.inspection.bands import ArraySource, Band, RowSource, predict_native_bands
from flawscope.inspection.options import PredictOptions
from flawscope.inspection.preprocess import check_rgb, network_size_hw, scaled_size_hw
from flawscope.inspection.resample import restore_rows, shrink_source
from flawscope.inspection.runtimes import Runtime
from flawscope.inspection.working_scale import ScaleSearch, candidate_scales, choose_scale
from flawscope.manifest import InputSpec
from flawscope.types import ClassInfo, FloatArray, RgbImage

_BAND_ROWS = 512

_PLANE_BYTES_PER_PX = 4
_COPY_BYTES_PER_PX = 7
"""Beside a scaled answer: the scaled picture while it is made, a copy of a plane while it is brought back.

Measured as the peak of whole runs at 2 and 3 times a picture of 16 megapixels, one class: 30 and 95 bytes a
pixel of the photograph, where 44 and 99 are asked for.
"""


@dataclass(frozen=True, slots=True)
class Network:
    """A runtime with what the manifest says of it."""

    runtime: Runtime
    spec: InputSpec
    classes: int
    """Number of foreground classes."""
    search: ScaleSearch = field(default_factory=ScaleSearch)


def predict_probability(
    image: RgbImage,
    runtime: Runtime,
    spec: InputSpec,
    classes: int | Sequence[ClassInfo],
    options: PredictOptions | None = None,
    search: ScaleSearch | None = None,
) -> FloatArray:
    """Probabilities C x H x W float32 in 0..1 of a picture H x W x 3 uint8 RGB, on the picture's own grid.

    ``classes`` are the foreground classes, or how many there are. Raises ImageError for an array of another
    kind and BundleError when the network does not answer as the manifest says.
    """
    check_rgb(image)
    count = classes if isinstance(classes, int) else len(classes)
    network = Network(runtime, spec, count, search or ScaleSearch())
    source = ArraySource(image)
    return _gathered(predict_bands(source, network, options or PredictOptions()), source.size_hw)


def predict_bands(
    source: RowSource,
    network: Network,
    options: PredictOptions,
    scales: tuple[float, ...] | None = None,
) -> Iterator[Band]:
    """Rows of probabilities from top to bottom, each once. ``scales`` from :func:`working_scales`, if
    known."""
    if network.spec.mode == "resize":
        yield from _resized(source, network, options)
        return
    if scales is None:
        scales = working_scales(source, network, options)
    if scales == (1.0,):
        yield from _native(source, network, options)
        return
    yield from _fused(source, network, options, scales)


def working_scales(source: RowSource, network: Network, options: PredictOptions) -> tuple[float, ...]:
    """The scales to work at: as given, or found (one for ``choose``, all that fit for ``mean`` and
    ``max``)."""
    if options.scales == "native" or network.spec.mode == "resize":
        return (1.0,)
    if options.scales == "auto":
        if options.fusion != "choose":
            return candidate_scales(source.size_hw, network.search)
    elif len(options.scales) == 1 or options.fusion != "choose":
        return tuple(options.scales)
    search = network.search
    if options.scales != "auto":
        search = replace(search, candidates=tuple(options.scales))
    chosen = choose_scale(
        source.size_hw,
        lambda y0, y1, x0, x1: source.read(y0, y1)[:, x0:x1],
        lambda scale: shrink_source(source, scaled_size_hw(source.size_hw, scale)),
        lambda picture: _whole(ArraySource(picture), network, PredictOptions(batch=options.batch)),
        search,
    )
    return (chosen,)


def scaled_bytes_per_px(network: Network, options: PredictOptions) -> float:
    """Memory per pixel of the photograph that the answers at other sizes than its own take at the peak.

    Of sizes that are chosen among the largest counts.
    """
    if options.scales == "native" or network.spec.mode == "resize":
        return 0.0
    tried = network.search.scales if options.scales == "auto" else options.scales
    squares = [scale**2 for scale in tried if scale != 1.0] or [0.0]
    kept = max(squares) if options.fusion == "choose" else sum(squares)
    return network.classes * _PLANE_BYTES_PER_PX * kept + _COPY_BYTES_PER_PX * max(squares)


def _native(source: RowSource, network: Network, options: PredictOptions) -> Iterator[Band]:
    return predict_native_bands(
        source,
        network.runtime,
        network.spec,
        network.classes,
        flip_tta=options.flip_tta,
        batch=options.batch,
    )


def _whole(source: RowSource, network: Network, options: PredictOptions) -> FloatArray:
    return _gathered(_native(source, network, options), source.size_hw)


def _gathered(bands: Iterator[Band], size_hw: tuple[int, int]) -> FloatArray:
    """All rows in one array C x H x W; no band outlives its turn, for together they need more than that."""
    out: FloatArray | None = None
    for y0, y1, band in bands:
        if (y0, y1) == (0, size_hw[0]):
            return np.ascontiguousarray(band)
        if out is None:
            out = np.empty((band.shape[0], *size_hw), dtype=np.float32)
        out[:, y0:y1] = band
    assert out is not None  # every picture has a row
    return out


def _resized(source: RowSource, network: Network, options: PredictOptions) -> Iterator[Band]:
    """Networks that see the whole photograph at a fixed size: their answer goes back to the photograph's
    grid."""
    size = network_size_hw(source.size_hw, network.spec)
    answer = _whole(ArraySource(shrink_source(source, size)), network, options)
    yield from _restored(answer, source.size_hw)


def _restored(answer: FloatArray, size_hw: tuple[int, int]) -> Iterator[Band]:
    for y0 in range(0, size_hw[0], _BAND_ROWS):
        y1 = min(y0 + _BAND_ROWS, size_hw[0])
        yield y0, y1, restore_rows(answer, size_hw, y0, y1)


def _fused(
    source: RowSource, network: Network, options: PredictOptions, scales: tuple[float, ...]
) -> Iterator[Band]:
    """Mean (or largest) over scales. Scaled answers are kept whole at their own size, the native one in
    bands."""
    size = source.size_hw
    answers = [
        _whole(ArraySource(shrink_source(source, scaled_size_hw(size, scale))), network, options)
        for scale in scales
        if scale != 1.0
    ]
    largest = options.fusion == "max"
    if 1.0 in scales:
        bands = _native(source, network, options)
    else:
        first = answers.pop(0)
        bands = _restored(first, size)
    count = np.float32(len(scales))
    for y0, y1, band in bands:
        fused = band
        for answer in answers:
            other = restore_rows(answer, size, y0, y1)
            fused = np.maximum(fused, other) if largest else fused + other
        yield y0, y1, fused if largest or count == 1 else np.asarray(fused / count, dtype=np.float32)
