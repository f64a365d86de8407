"""How fast pruned models run on this processor: all runtimes, densities, shapes and numbers of threads.

    python -m benchmarks.runtime --output benchmarks/results/runtime.json
    python -m benchmarks.runtime --density 0.15 --shape 1x128 --threads 1 --turns 5 --output quick.json
    python -m benchmarks.runtime --model MiniLM --masks run/masks.safetensors --output masks.json

Models have random weights, and random masks unless some are given: speed depends on the masks, hardly on the
values, and that of dense runtimes on neither. The ways to run a model, and how they take turns, are those
of `deepcuts bench`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.shapes import CONFIGS, model_of
from deepcuts import Budget, Masks, apply_masks, score, select
from deepcuts.common.progress import quiet_libraries
from deepcuts.common.timing import Timing, in_turns
from deepcuts.deploy.bench.facts import facts
from deepcuts.deploy.bench.forms import Files
from deepcuts.deploy.bench.shape import Shape
from deepcuts.deploy.bench.subject import Subject
from deepcuts.deploy.bench.ways import REFERENCE, Setting, all_ways
from deepcuts.models.loading import load_tokenizer

DENSITIES = [0.36, 0.15, 0.086, 0.041]
SHAPES = ["1x32", "1x128", "16x32", "16x128"]
#: Batches of more tokens than this are timed in a third of the turns.
LARGE = 256


def main(
    output: Annotated[Path, typer.Option(help="JSON file; written anew after every table.")],
    model: Annotated[str, typer.Option(help=f"Size of the model: {', '.join(CONFIGS)}.")] = "BERT-base",
    density: Annotated[list[float] | None, typer.Option(help="Of random masks.")] = None,
    masks: Annotated[list[Path] | None, typer.Option(help="Mask files, instead of random masks.")] = None,
    shape: Annotated[list[str] | None, typer.Option(help="ROWSxTOKENS of a batch.")] = None,
    threads: Annotated[list[int] | None, typer.Option(help="Of every runtime.")] = None,
    turns: Annotated[int, typer.Option(help="Of small batches.")] = 15,
    only: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(all_ways())}.")] = None,
) -> None:
    """Measure, print the tables and write them."""
    quiet_libraries()
    shapes = [Shape.parse(text) for text in shape or SHAPES]
    found: dict[str, Any] = {"model": model, "turns": turns, "tables": []}
    with tempfile.TemporaryDirectory() as folder:
        dense: Files | None = None
        for number, (name, subject) in enumerate(subjects(model, density or DENSITIES, masks or [])):
            assert subject.masks is not None
            own = Path(folder) / str(number)
            own.mkdir()
            files = Files(subject, own)
            dense = dense or files  # one is as good as another: dense runtimes do not look at the zeros
            for count in threads or [1, 2]:
                setting = Setting("cpu", count)
                found.setdefault("facts", facts(setting, subject, None))
                times = measure(files, dense, setting, shapes, turns, only or [])
                table = {"masks": name, "density": subject.masks.density, "threads": count, "shapes": times}
                found["tables"].append(table)
                show(table)
                output.parent.mkdir(parents=True, exist_ok=True)
                output.write_text(json.dumps(found, indent=1) + "\n")


def subjects(size: str, densities: list[float], mask_files: list[Path]) -> Iterator[tuple[str, Subject]]:
    """Pruned models with the names of their masks."""
    tokenizer = load_tokenizer("minilm")  # the words of BERT's uncased models
    for source in mask_files or densities:
        model = model_of(size).cpu()
        if isinstance(source, Path):
            name, masks = str(source), Masks.load(source)
        else:
            scores = score(model, [], ["Random"])["Random"]
            name, masks = "random", select(scores, Budget.from_density(source))
        apply_masks(model, masks)
        yield name, Subject(model, masks, tokenizer)


def measure(
    sparse: Files, dense: Files, setting: Setting, shapes: list[Shape], turns: int, only: list[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Shape → way to run it → milliseconds and how often they fit into the reference's."""
    torch.set_num_threads(setting.threads)
    runners = {
        name: way.load((sparse if way.sparse else dense).folder(way.form), setting)
        for name, way in all_ways().items()
        if "cpu" in way.devices and way.missing() is None and (not only or name in (REFERENCE, *only))
    }
    found = {}
    for shape in shapes:
        batch = sparse.subject.batch(shape)
        runs = {name: partial(runner, batch) for name, runner in runners.items()}
        few = max(3, turns // 3) if shape.rows * shape.tokens > LARGE else turns
        timings = {name: Timing.of(seconds) for name, seconds in in_turns(runs, few).items()}
        found[str(shape)] = {name: _as_json(one, timings[REFERENCE]) for name, one in timings.items()}
    return found


def _as_json(timing: Timing, reference: Timing) -> dict[str, float]:
    return {
        "ms": 1e3 * timing.median,
        "low": 1e3 * timing.low,
        "high": 1e3 * timing.high,
        "times": reference.median / timing.median,
    }


def show(found: dict[str, Any]) -> None:
    """Print one table."""
    what = f"{found['masks']} masks, density {found['density']:.3f}, {found['threads']} threads"
    title = f"{what}: median ms (times as fast as {all_ways()[REFERENCE].title})"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("")
    for shape in found["shapes"]:
        table.add_column(shape, justify="right")
    for name in next(iter(found["shapes"].values())):
        cells = [shape[name] for shape in found["shapes"].values()]
        table.add_row(all_ways()[name].title, *(f"{one['ms']:.1f} ({one['times']:.2f})" for one in cells))
    Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)
