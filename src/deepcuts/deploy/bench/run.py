"""``bench``: every way to run a model, one after the other, then in turns."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from deepcuts.common.errors import DeepcutsError, InputError, brief
from deepcuts.common.limits import check_processes
from deepcuts.common.progress import Reporter
from deepcuts.common.timing import Timing, in_turns
from deepcuts.deploy.bench.advice import advice, fault
from deepcuts.deploy.bench.facts import facts
from deepcuts.deploy.bench.forms import Files
from deepcuts.deploy.bench.memory import measure_memory
from deepcuts.deploy.bench.results import Bench, Result
from deepcuts.deploy.bench.shape import Shape, check_turns
from deepcuts.deploy.bench.subject import load_subject
from deepcuts.deploy.bench.ways import REFERENCE, Batch, Runner, Setting, Way, chosen
from deepcuts.models.checks import computing
from deepcuts.models.purpose import check_fits
from deepcuts.tasks import TaskData, measure
from deepcuts.tasks.encoding import EncodedTask, encode
from deepcuts.training.evaluation import predict_by

Device = Literal["auto", "cpu", "cuda"]

#: One text, short and long, and a batch.
SHAPES = (Shape(1, 32), Shape(1, 128), Shape(16, 128))


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """How a bench is made.

    Attributes:
        shapes: Of the batches that are timed.
        turns: How often each is timed.
        threads: Of every runtime, on the CPU; by default as many as PyTorch takes.
        only: Names of ways to run it; by default all that this machine can run. The reference is always run.
        device: ``auto`` takes a GPU where there is one.
        tolerance: How far the task's first measure may be below the reference's for a way to be
            recommended.
        memory: Whether a process is started for each way, to see what it takes.
        trust_remote_code: Whether code that comes with the model may run.

    Raises:
        InputError: One has a value that is not allowed.
    """

    shapes: Sequence[Shape] = SHAPES
    turns: int = 15
    threads: int | None = None
    only: Sequence[str] = ()
    device: Device = "auto"
    tolerance: float = 0.01
    memory: bool = True
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        check_turns(self.turns)
        if self.threads is not None:
            check_processes("threads", self.threads)
        if self.device not in ("auto", "cpu", "cuda"):
            raise InputError("device", self.device, "it must be auto, cpu or cuda")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InputError("device", self.device, "PyTorch finds no GPU on this machine")
        if not self.tolerance >= 0:
            raise InputError("tolerance", self.tolerance, "it must be 0 or more")

    def setting(self) -> Setting:
        """Where, and with how many threads."""
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return Setting(device, self.threads or torch.get_num_threads(), self.trust_remote_code)


def bench(
    path: str,
    data: TaskData | None = None,
    *,
    options: BenchOptions | None = None,
    max_length: int | None = None,
    reporter: Reporter | None = None,
) -> Bench:
    """Measure a model in every way in which this machine can run it.

    What can't be run is in the result with the reason. Files go into a temporary folder.

    Args:
        path: A run folder; a saved model, dense or sparse; a packed file; a name on the Hub.
        data: The task that dev measures come from; None measures none.
        options: How.
        max_length: Tokens of a dev row at most; None takes as many as the model was trained with.
        reporter: Where progress is shown.

    Raises:
        InputError: An option has a value that is not allowed for this machine or model.
        DeepcutsError: The model can't be loaded or run, or is not for the task.
    """
    options = options or BenchOptions()
    reporter = reporter or Reporter()
    setting = options.setting()
    ways = chosen(options.only, setting.device)
    shapes = list(dict.fromkeys(options.shapes))
    subject = load_subject(path, trust_remote_code=options.trust_remote_code)
    batches = {shape: subject.batch(shape) for shape in shapes}
    task = None
    if data is not None:
        check_fits(subject.model, data.task)
        task = encode(data, subject.tokenizer, subject.model, max_length)
    with _threads(setting.threads), tempfile.TemporaryDirectory(prefix="deepcuts-") as folder:
        inputs = Path(folder) / "inputs.npz"
        np.savez(inputs, **batches[max(shapes, key=lambda shape: shape.rows * shape.tokens)])  # type: ignore[arg-type]
        files = Files(subject, Path(folder))
        results: list[Result] = []
        runners: dict[str, Runner] = {}
        with reporter.bar("loading and measuring", len(ways)) as advance:
            for way in ways:
                result, runner = _prepare(way, files, setting, inputs if options.memory else None)
                if runner is not None:
                    with computing():
                        _look(result, runner, runners.get(REFERENCE, runner), list(batches.values()), task)
                if runner is not None and result.skipped is None:
                    runners[way.name] = runner
                results.append(result)
                advance()
        primary = data.task.primary if data is not None else None
        _judge(results, primary, options.tolerance)
        _time(results, runners, batches, options.turns, reporter)
    return Bench(
        results,
        shapes,
        setting.device,
        setting.threads,
        data.task.name if data is not None else None,
        len(data.dev) if data is not None else 0,
        primary,
        options.tolerance,
        advice(results, shapes, device=setting.device, primary=primary),
        facts(setting, subject, data),
        _notes(task),
    )


def _notes(task: EncodedTask | None) -> list[str]:
    if task is None:
        return []
    return [*task.notes, f"{task.truncated:,} rows of the task are cut to {task.length} tokens"]


def _prepare(way: Way, files: Files, setting: Setting, inputs: Path | None) -> tuple[Result, Runner | None]:
    """Write and load a model for one way, and see what it takes; without a runner it says why."""
    result = Result(way.name, way.title, way.sparse)
    result.skipped = way.missing()
    if result.skipped is not None:
        return result, None
    try:
        folder = files.folder(way.form)
        result.bytes = files.bytes(way.form)
        runner = way.load(folder, setting)
    # Exporters and runtimes raise nearly everything. One that can't take this model must not end the others.
    except Exception as error:
        if way.name == REFERENCE:
            raise
        result.skipped = brief(error)
        return result, None
    result.notes.extend(runner.notes)
    result.choices = runner.choices
    if inputs is not None:
        try:
            result.memory = measure_memory(way.name, folder, inputs, setting)
        except DeepcutsError as error:
            result.notes.append(f"memory not measured: {error}")
    return result, runner


def _look(
    result: Result,
    runner: Runner,
    reference: Runner,
    batches: Sequence[Batch],
    task: EncodedTask | None,
) -> None:
    """What a model says in one way: of the batches beside the reference, and of the dev rows."""
    try:
        difference = float(np.max([np.abs(runner(batch) - reference(batch)).max() for batch in batches]))
        if not np.isfinite(difference):
            if result.name == REFERENCE:
                raise DeepcutsError("model: its outputs are not finite, so there is nothing to compare with")
            result.fault = "its outputs are not finite"
            return
        result.difference = difference
        if task is not None:
            result.measures = measures(runner, task)
    except Exception as error:
        if result.name == REFERENCE:
            raise
        result.skipped = brief(error)


def measures(runner: Runner, task: EncodedTask) -> dict[str, float]:
    """The task's measures on dev, of whatever runs the model, as `deepcuts.training` takes them.

    Raises:
        InputError: The outputs are not finite.
    """

    def logits(batch: dict[str, Tensor]) -> Tensor:
        return torch.from_numpy(runner({name: tensor.numpy() for name, tensor in batch.items()}))

    return measure(task.data.task, predict_by(logits, task).numpy(), task.dev.targets)


def _judge(results: list[Result], primary: str | None, tolerance: float) -> None:
    """Note which ways must not be used."""
    reference = results[0].measures
    for result in results:
        if primary and reference and result.measures:
            result.fault = fault(result.measures, reference, primary, tolerance)


def _time(
    results: list[Result],
    runners: Mapping[str, Runner],
    batches: Mapping[Shape, Batch],
    turns: int,
    reporter: Reporter,
) -> None:
    """Time all that run, shape by shape; those at fault too, because it is their speed that tempts."""
    with reporter.bar("timing", len(batches) * turns) as advance:
        for shape, batch in batches.items():
            runs = {name: partial(runner, batch) for name, runner in runners.items()}
            found = in_turns(runs, turns, advance=advance)
            for result in results:
                if result.name in found:
                    result.timings[shape] = Timing.of(found[result.name])


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
