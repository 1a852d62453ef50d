"""The tests that every network passes, whatever family it is of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn


def image(count: int, channels: int, height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, channels, height, width, generator=generator)


def check_shapes(model: nn.Module, channels: int, classes: int) -> None:
    model.eval()
    with torch.no_grad():
        for size_hw in ((64, 64), (70, 45), (33, 97)):
            logits = model(image(2, channels, *size_hw))
            assert logits.shape == (2, classes, *size_hw)
            assert torch.isfinite(logits).all()


def check_gradient_reaches_everything(model: nn.Module, channels: int) -> None:
    model.train()
    outputs = model(image(2, channels, 64, 96))
    outputs = outputs if isinstance(outputs, list) else [outputs]
    sum(output.square().mean() for output in outputs).backward()
    silent = [name for name, part in model.named_parameters() if part.requires_grad and part.grad is None]
    assert not silent
    model.zero_grad()


def check_images_of_a_batch_do_not_meet(model: nn.Module, channels: int) -> None:
    model.eval()
    batch = image(3, channels, 64, 64)
    with torch.no_grad():
        together = model(batch)
        alone = torch.cat([model(batch[index : index + 1]) for index in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def check_export(model: nn.Module, channels: int, folder: Path) -> None:
    """One graph serves every batch size, height and width, and agrees with torch."""
    model.eval()
    path = folder / "model.onnx"
    dims = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    with torch.no_grad():
        program = torch.onnx.export(
            model, (image(2, channels, 64, 96),), dynamo=True, dynamic_shapes=(dims,), verbose=False
        )
    assert program is not None
    program.save(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for shape in ((1, channels, 64, 64), (3, channels, 128, 96), (1, channels, 71, 50)):
        given = image(*shape)
        with torch.no_grad():
            expected = model(given).numpy()
        np.testing.assert_allclose(
            session.run(None, {name: given.numpy()})[0], expected, rtol=1e-3, atol=1e-3
        )
