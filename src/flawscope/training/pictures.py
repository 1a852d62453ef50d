"""Whole images on the network's grid, as one array of bytes where they fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from flawscope.data.layouts.idx import IdxImage, load_images
from flawscope.errors import ConfigError
from flawscope.inspection.preprocess import resize_for
from flawscope.manifest import InputSpec
from flawscope.types import Sample

Bytes = npt.NDArray[np.uint8]

_THREADS = 4


def image_size_hw(spec: InputSpec) -> tuple[int, int]:
    """Height and width of every image that a classifier sees. Raises ConfigError where they are not fixed."""
    if spec.mode != "resize" or spec.size_hw is None:
        raise ConfigError(
            f"input.mode is {spec.mode!r} without a fixed size; a classifier sees images of one size.\n"
            "Set input.mode = 'resize' and input.size_hw = [height, width]."
        )
    return spec.size_hw


class Pictures:
    """Images by number, N x C x H x W uint8: C = 1 where the network sees grey or all are grey, else 3."""

    def __init__(self, samples: Sequence[Sample], spec: InputSpec, limit_bytes: int) -> None:
        self.samples = samples
        self.size_hw = image_size_hw(spec)
        self._spec = spec
        self._idx = len(samples) > 0 and all(isinstance(sample.image, IdxImage) for sample in samples)
        self.channels = 1 if self._idx or spec.channels != "rgb" else 3
        need = len(samples) * self.channels * self.size_hw[0] * self.size_hw[1]
        self._pool = None if self._idx else ThreadPoolExecutor(_THREADS)
        self._whole = torch.from_numpy(self._read(range(len(samples)))) if need <= limit_bytes else None

    def __len__(self) -> int:
        return len(self.samples)

    def batch(self, numbers: Sequence[int] | npt.NDArray[np.int64]) -> Tensor:
        """Images N x C x H x W uint8. Raises ImageError where one cannot be read."""
        if self._whole is not None:
            return self._whole[torch.as_tensor(np.asarray(numbers, dtype=np.int64))]
        return torch.from_numpy(self._read([int(number) for number in numbers]))

    def _read(self, numbers: Sequence[int]) -> Bytes:
        if self._idx:
            return self._from_files(numbers)
        assert self._pool is not None
        out = np.empty((len(numbers), self.channels, *self.size_hw), dtype=np.uint8)
        for place, rows in enumerate(self._pool.map(self._one, numbers)):
            out[place] = rows
        return out

    def _one(self, number: int) -> Bytes:
        rows = resize_for(self.samples[number].image(), self._spec)
        if self.channels == 1:
            # Pillow's luma has the weights of the preprocessing; its rounding is half a grey level.
            return np.asarray(Image.fromarray(np.ascontiguousarray(rows)).convert("L"))[None]
        return np.moveaxis(rows, 2, 0)

    def _from_files(self, numbers: Sequence[int]) -> Bytes:
        """Straight out of the files' arrays: 60,000 digits in a tenth of a second."""
        readers = [cast(IdxImage, self.samples[number].image) for number in numbers]
        out = np.empty((len(numbers), 1, *self.size_hw), dtype=np.uint8)
        for path in dict.fromkeys(reader.path for reader in readers):
            stored = load_images(path)
            mine = [place for place, reader in enumerate(readers) if reader.path == path]
            found = stored[[readers[place].index for place in mine]]
            if found.shape[1:] != self.size_hw:
                size = self.size_hw[::-1]
                found = np.stack(
                    [
                        np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BILINEAR))
                        for one in found
                    ]
                )
            out[mine, 0] = found
        return out


def normalise(batch: Tensor, spec: InputSpec) -> Tensor:
    """Values 0..255, N x 1 or 3 x H x W, to what `preprocess` makes of the same pixels, N x C x H x W."""
    mean, std = torch.tensor(spec.mean), torch.tensor(spec.std)
    gain = (1.0 / (255.0 * std)).view(1, -1, 1, 1)
    shift = (-mean / std).view(1, -1, 1, 1)
    return batch * gain + shift
