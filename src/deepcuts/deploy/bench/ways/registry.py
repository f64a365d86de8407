"""The ways in which a model is run: what each needs, which file it loads, and how.

Importing this is cheap, and each way imports what it needs and nothing else, so that a process that loads one
shows the memory that this one takes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deepcuts.common.errors import InputError

#: The tokenizer's tensors, each ``(rows, tokens)``, int64.
Batch = Mapping[str, "np.ndarray[Any, Any]"]

#: What all others are compared with.
REFERENCE = "dense-fp32"


@dataclass(frozen=True)
class Runner:
    """A loaded model: a batch in, logits out, ``(rows, outputs)``, float32, on the CPU.

    Attributes:
        compute: Does it.
        notes: What there is to say of the loaded model, each without a full stop.
        choices: What was decided by speed when it was loaded, JSON-able; None if nothing was.
    """

    compute: Callable[[Batch], np.ndarray[Any, Any]]
    notes: tuple[str, ...] = ()
    choices: Mapping[str, Any] | None = None

    def __call__(self, batch: Batch) -> np.ndarray[Any, Any]:
        """The logits of a batch."""
        return self.compute(batch)


@dataclass(frozen=True)
class Setting:
    """How a model is loaded.

    Attributes:
        device: ``cpu`` or ``cuda``.
        threads: Of every runtime, on the CPU.
        trust_remote_code: Whether code that comes with the model may run.
    """

    device: str
    threads: int
    trust_remote_code: bool = False


@dataclass(frozen=True)
class Variant:
    """One way to run a model.

    Attributes:
        name: As ``--only`` takes it.
        title: As tables and sentences say it.
        files: Which form of the model it loads: a key of `deepcuts.deploy.bench.forms.WRITERS`.
        load: From the folder with that form.
        devices: Where it runs.
        sparse: Whether the zeros are left out.
        libraries: Modules that it imports, whatever the model.
        missing: Says why it can't run on this machine; None if it can.
    """

    name: str
    title: str
    files: str
    load: Callable[[Path, Setting], Runner]
    devices: tuple[str, ...] = ("cpu",)
    sparse: bool = False
    libraries: tuple[str, ...] = ("transformers", "deepcuts.deploy.bench.torch_runner")
    missing: Callable[[], str | None] = lambda: None


def check_names(only: Sequence[str]) -> None:
    """Refuse names of no variant, before anything is imported.

    Raises:
        InputError: One is none.
    """
    for name in only:
        if name not in VARIANTS:
            raise InputError("only", name, f"it must be one of {', '.join(VARIANTS)}")


def chosen(only: Sequence[str], device: str) -> list[Variant]:
    """The variants of a device, or those of them that are named; the reference is always the first.

    Args:
        only: Names; none means all.
        device: ``cpu`` or ``cuda``.

    Raises:
        InputError: A name is none of them, or it names one that can't run on this machine.
    """
    here = {name: variant for name, variant in VARIANTS.items() if device in variant.devices}
    for name in only:
        if name not in here:
            zeros = ": zeros do not help on a GPU, so" if name in VARIANTS and device == "cuda" else ";"
            raise InputError(
                "only", name, f"it is no way to run on {device}{zeros} allowed are {', '.join(here)}"
            )
        reason = here[name].missing()
        if reason is not None:
            raise InputError("only", name, reason)
    return [variant for name, variant in here.items() if not only or name in (REFERENCE, *only)]


def _torch(kind: str) -> Callable[[Path, Setting], Runner]:
    def load(folder: Path, setting: Setting) -> Runner:
        from deepcuts.deploy.bench import torch_runner

        found: Runner = torch_runner.LOADERS[kind](folder, setting)
        return found

    return load


def _onnx(folder: Path, setting: Setting) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = setting.threads, 1
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    names = [given.name for given in session.get_inputs()]

    def run(batch: Batch) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = session.run(["logits"], {name: batch[name] for name in names})[0]
        return found

    return Runner(run)


def _openvino(precision: str) -> Callable[[Path, Setting], Runner]:
    def load(folder: Path, setting: Setting) -> Runner:
        import openvino

        options = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": setting.threads,
            "PERFORMANCE_HINT": "LATENCY",  # one batch at a time, with all threads
        }
        compiled = openvino.Core().compile_model(str(folder / "openvino_model.xml"), "CPU", options)
        names = [given.get_any_name() for given in compiled.inputs]

        def run(batch: Batch) -> np.ndarray[Any, Any]:
            # A copy, because the next call writes over it.
            return np.array(compiled({name: batch[name] for name in names})[0], dtype=np.float32)

        return Runner(run)

    return load


def _without(extra: str, *packages: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        lacking = [package for package in packages if importlib.util.find_spec(package) is None]
        if not lacking:
            return None
        return f"it needs {', '.join(lacking)}: pip install 'deepcuts[{extra}]'"

    return missing


_no_openvino = _without("openvino", "openvino", "onnxscript")


def _no_openvino_bf16() -> str | None:
    reason = _no_openvino()
    if reason is not None:
        return reason
    import openvino

    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return None
    return "OpenVINO does not calculate in bfloat16 on this processor"


_BOTH = ("cpu", "cuda")
_no_onnx = _without("onnx", "onnxruntime", "onnxscript", "onnx")

_ORT, _OV = ("onnxruntime",), ("openvino",)
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant(REFERENCE, "torch fp32", "dense-fp32", _torch("fp32"), _BOTH),
        Variant("dense-bf16", "torch bf16", "dense-bf16", _torch("bf16"), _BOTH),
        Variant(
            "dense-bf16-graphs", "torch bf16 with CUDA graphs", "dense-bf16", _torch("graphs"), ("cuda",)
        ),
        Variant("onnx-fp32", "ONNX Runtime fp32", "onnx", _onnx, libraries=_ORT, missing=_no_onnx),
        Variant("onnx-int8", "ONNX Runtime int8", "onnx-int8", _onnx, libraries=_ORT, missing=_no_onnx),
        Variant(
            "openvino-fp32",
            "OpenVINO fp32",
            "openvino",
            _openvino("f32"),
            libraries=_OV,
            missing=_no_openvino,
        ),
        Variant(
            "openvino-bf16",
            "OpenVINO bf16",
            "openvino",
            _openvino("bf16"),
            libraries=_OV,
            missing=_no_openvino_bf16,
        ),
        Variant("sparse-fp32", "sparse fp32", "sparse-fp32", _torch("sparse-fp32"), sparse=True),
        Variant("sparse-bf16", "sparse bf16", "sparse-bf16", _torch("sparse-bf16"), sparse=True),
    )
}
