"""ONNX and OpenVINO: files for dense runtimes, which compute with the zeros like with any other number."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deepcuts.common.errors import DeepcutsError, InputError, InvariantError
from deepcuts.common.files import write_atomically
from deepcuts.models.purpose import predictions_of

#: Largest difference from PyTorch's outputs, relative to the largest of them, that an export may show.
TOLERANCE = 1e-4
NOTE = "ONNX Runtime and OpenVINO compute with the zeros: the model runs as before, and no faster for them."

#: Optional dependencies → the packages they bring; both formats are written by torch's exporter.
EXTRAS = {"onnx": ("onnxruntime", "onnxscript"), "openvino": ("openvino", "onnxscript")}

Run = Callable[[dict[str, Any]], Any]

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_SHAPES = [(2, 7), (3, 12), (1, 3)]  # rows and tokens; the first is the exporter's example


class _Logits(nn.Module):
    """A model that takes tensors in order and gives its logits alone, as exporters want it."""

    def __init__(self, model: Any, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names
        self.read = predictions_of(model)

    def forward(self, *tensors: Tensor) -> Tensor:
        return self.read(self.model(**dict(zip(self.names, tensors, strict=True))))


def save_onnx(model: Any, folder: Path, *, tokenizer: Any) -> float:
    """Save ``model.onnx`` with its config and tokenizer, and compare what ONNX Runtime computes with PyTorch.

    Args:
        model: A Hugging Face model with its trained head, in float32; a bounded head is exported too.
        folder: Where to; an existing folder is replaced.
        tokenizer: Says which inputs the model is called with; saved beside it.

    Returns:
        The largest difference between the outputs of the two.

    Raises:
        InputError: The extra ``onnx`` is not installed, or the model is not in float32.
        InvariantError: The outputs differ by more than `TOLERANCE`.
    """
    runtime = check_installed("onnx")["onnxruntime"]
    found: list[float] = []

    def write(temporary: Path) -> None:
        temporary.mkdir()
        names = write_onnx(model, tokenizer, temporary / "model.onnx")
        session = runtime.InferenceSession(temporary / "model.onnx", providers=["CPUExecutionProvider"])
        found.append(
            _compare(model, names, lambda inputs: session.run(["logits"], inputs)[0], "ONNX Runtime")
        )
        write_beside(model, tokenizer, temporary)

    write_atomically(folder, write)
    return found[0]


def save_openvino(model: Any, folder: Path, *, tokenizer: Any) -> float:
    """Save ``openvino_model.xml`` and ``.bin`` with config and tokenizer, and compare with PyTorch.

    By way of ONNX. Arguments, result and errors are those of `save_onnx`, with the extra ``openvino``.
    """
    openvino = check_installed("openvino")["openvino"]
    found: list[float] = []

    def write(temporary: Path) -> None:
        temporary.mkdir()
        with tempfile.TemporaryDirectory(prefix="deepcuts-") as between:
            names = write_onnx(model, tokenizer, Path(between) / "model.onnx")
            converted = openvino.convert_model(Path(between) / "model.onnx")
            openvino.save_model(converted, temporary / "openvino_model.xml", compress_to_fp16=False)
        compiled = openvino.Core().compile_model(
            temporary / "openvino_model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )
        found.append(_compare(model, names, lambda inputs: compiled(inputs)[0], "OpenVINO"))
        write_beside(model, tokenizer, temporary)

    write_atomically(folder, write)
    return found[0]


def check_installed(extra: str) -> dict[str, Any]:
    """The packages of an extra, by name.

    Args:
        extra: A key of `EXTRAS`.

    Raises:
        InputError: They are not installed.
    """
    try:
        return {package: importlib.import_module(package) for package in EXTRAS[extra]}
    except ImportError as error:
        raise InputError(
            "format", extra, f"it needs the extra {extra!r}: pip install 'deepcuts[{extra}]' ({error})"
        ) from None


def write_onnx(model: Any, tokenizer: Any, path: Path) -> list[str]:
    """Write ``model.onnx`` and nothing beside it, unchecked; arguments are those of `save_onnx`.

    Returns:
        The names of the model's inputs.

    Raises:
        DeepcutsError: torch's exporter can't export the model, or it is not in float32.
    """
    wrong = {parameter.dtype for parameter in model.parameters()} - {torch.float32}
    if wrong:
        raise InputError(
            "dtype", str(wrong.pop()).removeprefix("torch."), "ONNX and OpenVINO are float32 here"
        )
    names = input_names(model, tokenizer)
    example = _inputs(model, names, 0)
    sizes = {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}
    with _quiet():
        try:
            torch.onnx.export(
                _Logits(model.eval(), names).eval(),
                tuple(example.values()),
                path,
                input_names=names,
                output_names=["logits"],
                dynamic_shapes=((sizes,) * len(names),),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except Exception as error:  # the exporter's errors share no base class
            reason = str(error).strip().splitlines()[0][:200]
            raise DeepcutsError(
                f"model: {type(model).__name__} could not be exported to ONNX: {reason}"
            ) from error
    return names


def input_names(model: Any, tokenizer: Any) -> list[str]:
    """The tensors of the tokenizer that a model takes, in the order of an exported model's inputs."""
    taken = inspect.signature(model.forward).parameters
    return [name for name in _INPUTS if name in tokenizer.model_input_names and name in taken]


@torch.no_grad()
def _compare(model: Any, names: Sequence[str], run: Run, runtime: str) -> float:
    """The largest difference between a runtime's outputs and PyTorch's, for several shapes, some padded."""
    largest = 0.0
    for number in range(len(_SHAPES)):
        inputs = _inputs(model, names, number)
        expected = predictions_of(model)(model(**inputs)).numpy()
        found = run({name: tensor.numpy() for name, tensor in inputs.items()})
        difference = float(np.abs(found - expected).max())
        if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
            raise InvariantError(f"{runtime} and PyTorch differ by {difference:.3g}")
        largest = max(largest, difference)
    return largest


def _inputs(model: Any, names: Sequence[str], number: int) -> dict[str, Tensor]:
    rows, tokens = _SHAPES[number]
    generator = torch.Generator().manual_seed(number)
    attended = torch.ones(rows, tokens, dtype=torch.long)
    attended[-1, tokens // 2 + 1 :] = 0
    kinds = getattr(model.config, "type_vocab_size", 1) or 1
    every = {
        "input_ids": torch.randint(model.config.vocab_size, (rows, tokens), generator=generator),
        "attention_mask": attended,
        "token_type_ids": torch.randint(kinds, (rows, tokens), generator=generator),
    }
    return {name: every[name] for name in names}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's chatter about other packages out of the output."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def write_beside(model: Any, tokenizer: Any, folder: Path) -> None:
    """Save config and tokenizer into a folder."""
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
