"""Runtimes: what carries a bundle's network. ONNX Runtime is always there; OpenVINO and torch are extras.

Thread counts are explicit. ``RUNTIMES`` maps names to functions ``(bundle, stage, threads) -> Runtime``.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from flawscope.bundle import Bundle
from flawscope.errors import BundleError, ConfigError, MissingExtraError, UsageError
from flawscope.manifest import FileRole, StageSpec
from flawscope.types import FloatArray


class Runtime(Protocol):
    """A network that can be run."""

    name: str
    threads: int

    def run(self, batch: FloatArray) -> FloatArray:
        """Logits N x K x H x W of preprocessed tiles N x C x H x W, float32."""


def default_threads() -> int:
    """``OMP_NUM_THREADS`` when it is set, else the number of processor cores this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


class OnnxRuntime:
    """ONNX Runtime on the CPU."""

    name = "onnx"

    def __init__(self, path: Path | bytes, threads: int | None = None) -> None:
        ort = _import_onnxruntime()
        self.threads = threads or default_threads()
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        source = path if isinstance(path, bytes) else str(path)
        try:
            self._session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its own, all plain Exceptions
            raise BundleError(f"ONNX Runtime cannot load the network: {_one_line(error)}.") from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise BundleError(
                f"The network has {len(inputs)} inputs and {len(outputs)} outputs; expected 1 of each."
            )
        self._input, self._output = inputs[0].name, outputs[0].name

    def run(self, batch: FloatArray) -> FloatArray:
        """Logits N x K x H x W of N x C x H x W float32."""
        try:
            answer = self._session.run([self._output], {self._input: batch})[0]
        except Exception as error:
            raise BundleError(
                f"The network cannot run on input {batch.shape}: {_one_line(error)}."
            ) from error
        return _numbers(np.asarray(answer, dtype=np.float32))


class OpenVinoRuntime:
    """OpenVINO on the CPU, in full float32."""

    name = "openvino"

    def __init__(self, path: Path, threads: int | None = None) -> None:
        try:
            ov: Any = importlib.import_module("openvino")
        except ImportError as error:
            raise MissingExtraError("The OpenVINO runtime", "openvino") from error
        self.threads = threads or default_threads()
        # Without the hint newer processors compute in bfloat16, which is not within the parity limit.
        settings = {"INFERENCE_NUM_THREADS": self.threads, "INFERENCE_PRECISION_HINT": "f32"}
        try:
            self._model = ov.Core().compile_model(str(path), "CPU", settings)
        except Exception as error:
            raise BundleError(f"OpenVINO cannot load the network: {_one_line(error)}.") from error

    def run(self, batch: FloatArray) -> FloatArray:
        """Logits N x K x H x W of N x C x H x W float32."""
        try:
            answer = self._model([batch])[0]
        except Exception as error:
            raise BundleError(
                f"The network cannot run on input {batch.shape}: {_one_line(error)}."
            ) from error
        return _numbers(np.array(answer, dtype=np.float32))


class TorchRuntime:
    """A torch module, on the device where its parameters lie."""

    name = "torch"

    def __init__(self, module: Any, threads: int | None = None) -> None:
        self._torch: Any = _import_torch()
        self.threads = threads or self._torch.get_num_threads()
        self.module = module.eval()
        parameter = next(iter(module.parameters()), None)
        self._device = "cpu" if parameter is None else parameter.device

    def run(self, batch: FloatArray) -> FloatArray:
        """Logits N x K x H x W of N x C x H x W float32."""
        torch = self._torch
        with torch.inference_mode():
            try:
                answer = self.module(torch.from_numpy(np.ascontiguousarray(batch)).to(self._device))
            except (RuntimeError, ValueError) as error:  # also memory that ran out
                raise BundleError(
                    f"The network cannot run on input {batch.shape}: {_one_line(error)}."
                ) from error
            answer = answer[0] if isinstance(answer, list | tuple) else answer
            return np.asarray(answer.float().cpu().numpy(), dtype=np.float32)


class _BundledTorchRuntime(TorchRuntime):
    """The same of a bundle: in training the loop itself sees to weights that are no numbers."""

    def run(self, batch: FloatArray) -> FloatArray:
        return _numbers(super().run(batch))


RUNTIMES: dict[str, Callable[[Bundle, StageSpec, int | None], Runtime]] = {}
"""Name -> maker of a runtime. ``auto`` stands for ``onnx``."""


def make_runtime(
    bundle: Bundle, stage: StageSpec | None = None, name: str = "auto", threads: int | None = None
) -> Runtime:
    """The runtime of one stage (default: the segmenting one).

    Raises UsageError for an unknown name, MissingExtraError when the extra is not installed, and BundleError
    when the bundle does not hold the file that the runtime needs.
    """
    wanted = "onnx" if name == "auto" else name
    if wanted not in RUNTIMES:
        raise UsageError(f"Unknown runtime {name!r}; expected one of: auto, {', '.join(RUNTIMES)}.")
    if threads is not None and threads < 1:
        raise UsageError(f"threads is {threads}; expected 1 or more.")
    return RUNTIMES[wanted](bundle, stage or bundle.stage(), threads)


FILE_ROLES: dict[str, tuple[FileRole, ...]] = {
    "onnx": ("onnx", "onnx_int8"),
    "openvino": ("openvino", "onnx"),
    "torch": ("weights",),
}
"""Files that a runtime takes, the best first."""


def _onnx(bundle: Bundle, stage: StageSpec, threads: int | None) -> Runtime:
    return OnnxRuntime(_file(bundle, stage, "onnx"), threads)


def _openvino(bundle: Bundle, stage: StageSpec, threads: int | None) -> Runtime:
    return OpenVinoRuntime(_file(bundle, stage, "openvino"), threads)


def _torch(bundle: Bundle, stage: StageSpec, threads: int | None) -> Runtime:
    path = _file(bundle, stage, "torch")
    torch = _import_torch()
    if not stage.network.name:
        raise BundleError(f"The bundle {bundle.source} does not say which network it is; use --runtime onnx.")
    # Higher floors, met by name at run time only: the torch adapter is the one exception to the layering.
    build: Any = importlib.import_module("flawscope.models.build").build_model
    load: Any = importlib.import_module("safetensors.torch").load_file
    unreadable: type[Exception] = importlib.import_module("safetensors").SafetensorError
    options = dict(stage.network.options)
    if "encoder_weights" in options:  # the weights come from the bundle; never from the network
        options["encoder_weights"] = "none"
    try:
        module = build(stage.network.name, **options)
    except ConfigError as error:  # nobody configured anything: it is the bundle that says so
        raise BundleError(
            f"The network of {bundle.source} cannot be built: {_one_line(error)}\nUse --runtime onnx."
        ) from error
    try:
        module.load_state_dict(load(str(path)))
    except (RuntimeError, unreadable) as error:
        raise BundleError(
            f"The weights of {bundle.source} do not fit its network {stage.network.name!r}: "
            f"{_one_line(error)}.\nUse --runtime onnx."
        ) from error
    if threads is not None:
        torch.set_num_threads(threads)
    return _BundledTorchRuntime(module, threads)


RUNTIMES.update({"onnx": _onnx, "openvino": _openvino, "torch": _torch})


def _file(bundle: Bundle, stage: StageSpec, runtime: str) -> Path:
    roles = FILE_ROLES[runtime]
    for role in roles:
        path = bundle.file(stage, role)
        if path is not None:
            return path
    have: Mapping[Any, str] = stage.files
    raise BundleError(
        f"The bundle {bundle.source} holds nothing for the {runtime} runtime (needs {' or '.join(roles)}); "
        f"it has: {', '.join(have)}."
    )


def _import_onnxruntime() -> Any:
    try:
        return importlib.import_module("onnxruntime")  # slow: kept out of --help
    except ImportError as error:
        raise UsageError(
            f"ONNX Runtime cannot be loaded: {_one_line(error)}.\n"
            "Install it again with: pip install --force-reinstall onnxruntime"
        ) from error


def _import_torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise MissingExtraError("The torch runtime", "train") from error


def _numbers(logits: FloatArray) -> FloatArray:
    """The logits themselves; no threshold would ever find a defect in NaN."""
    if np.isnan(logits.max()):
        raise BundleError(
            "The network answers with NaN (not a number): its weights, or mean and std of its input, are "
            "damaged.\nExport the bundle again, or train it anew."
        )
    return logits


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
