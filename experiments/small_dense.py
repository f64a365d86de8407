"""Small dense models beside pruned ones: the first layers of a grid's model, taught by all of it.

For every task and seed of a grid's file: the model with its first layers alone (embeddings and pooler stay,
the head is new) is fine-tuned as the grid's dense model is. From there it is trained on as the grid's first
pruned model is, by what the whole fine-tuned model says, which is found in the grid's store or made there.
Their layers differ in number, so hidden states are left out (`distill_layers` is 0). Epochs are chosen on
the rows that the grid's are chosen on.

Example:  python experiments/small_dense.py experiments/best.yaml --data GLUE --store runs/best -o runs/small

Each folder holds result.json and model/, which `deepcuts evaluate`, `bench` and `export` read; what is
there is not done again.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import transformers
import typer
from torch import nn

from deepcuts.common.files import write_atomically, write_json
from deepcuts.common.progress import Reporter, console
from deepcuts.common.store import Store
from deepcuts.models.names import resolve_model
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.grid.file import read_grid
from deepcuts.runs.grid.jobs import Jobs
from deepcuts.runs.job import Job
from deepcuts.runs.recipes.paper import finetune
from deepcuts.runs.steps import Run, do_steps
from deepcuts.tasks import baseline
from deepcuts.tasks.encoding import EncodedSplit
from deepcuts.training.evaluation import evaluate
from deepcuts.training.trainer import train


def main(
    grid: Annotated[Path, typer.Argument(help="A grid's file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the models go.")],
    store: Annotated[Path, typer.Option(help="The grid's store, with its dense models.")],
    data: Annotated[str | None, typer.Option(help="Folder with the GLUE tasks; else the Hub.")] = None,
    layers: Annotated[list[int], typer.Option(help="How many of the first layers; repeat.")] = [4, 3, 2],  # noqa: B006
) -> None:
    """Make the small models, and print what they reach."""
    jobs = Jobs(Reporter(console(stderr=True)))
    first: dict[tuple[Any, ...], PruneConfig] = {}
    for settings in read_grid(grid, data=data).cells:
        config = jobs.config(settings)
        first.setdefault((config.model, config.data, config.seed), config)
    for config in first.values():
        name = str(config.data.task or Path(str(config.data.train)).stem)
        for count in layers:
            folder = output / f"{name}-{count}-layers-seed-{config.seed}"
            if not (folder / "result.json").is_file():
                small_model(config, count, store, folder, jobs)
            found = json.loads((folder / "result.json").read_text())
            reached = {
                part: round(found[part][found["primary"]], 4) for part in ("teacher", "fine-tuned", "taught")
            }
            print(json.dumps({"folder": str(folder), "parameters": found["parameters"], **reached}))


def small_model(config: PruneConfig, count: int, store: Path, folder: Path, jobs: Jobs) -> None:
    """Make one small model, with its result beside it."""
    job = jobs.job(config)  # the whole model, and the rows that are held out
    do_steps(Run(job, Store(store, job.processes)), [finetune(job)])
    teacher, reached = job.model, measures(job)
    start = folder / "start"
    if not start.is_dir():
        write_atomically(start, lambda path: truncate(config.model, count, path))
    settings = {**config.model_dump(), "data": config.data, "model": str(start)}
    small = Jobs(jobs.reporter).job(PruneConfig.read(settings))
    plans = {"fine-tuned": config.finetuning(), "taught": config.retraining()}
    found: dict[str, Any] = {"teacher": reached}
    for part, plan in plans.items():
        taught = {"objective": "distill", "objective_options": options(config), "teacher": teacher}
        done = train(
            small.model,
            small.task,
            plan,
            folder / "work" / part,
            label=f"{count} layers, {part}",
            reporter=jobs.reporter,
            **(taught if part == "taught" else {}),  # type: ignore[arg-type]
        )
        found |= {
            part: measures(small),
            f"{part}, best epoch": done.best_epoch,
            f"{part}, seconds": done.seconds,
        }
    write_atomically(folder / "model", lambda path: save(small, path))
    shutil.rmtree(folder / "work")
    task = small.task.data
    write_json(
        folder / "result.json",
        {
            "layers": count,
            "parameters": sum(parameter.numel() for parameter in small.model.parameters()),
            "task": task.task.name,
            "primary": task.task.primary,
            "seed": config.seed,
            "select_on": config.select_on,
            "distill": options(config),
            "epochs": {part: plan.epochs for part, plan in plans.items()},
            "baseline": baseline(task.task, task.train, task.dev),
            **found,
        },
    )


def options(config: PruneConfig) -> dict[str, float]:
    """Of the distillation: the grid's, without hidden states."""
    return {"share": config.distill_share, "temperature": config.distill_temperature, "layers": 0.0}


def measures(job: Job) -> dict[str, Any]:
    """What a model reaches on dev, and on test rows if there are some."""

    def on(split: EncodedSplit) -> dict[str, float]:
        return evaluate(job.model, job.task, split)

    return {**on(job.task.dev), **({} if job.task.test is None else {"test": on(job.task.test)})}


def truncate(name: str, count: int, folder: Path) -> None:
    """Save a pretrained encoder with its first layers alone, and its tokenizer."""
    path = resolve_model(name)
    model = transformers.AutoModel.from_pretrained(path)
    whole = model.config.num_hidden_layers
    if not 1 <= count < whole:
        raise typer.BadParameter(f"{name} has {whole} layers, so it has no first {count}")
    (stack,) = (one for one in model.modules() if isinstance(one, nn.ModuleList) and len(one) == whole)
    del stack[count:]
    model.config.num_hidden_layers = count
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(path).save_pretrained(folder)


def save(job: Job, folder: Path) -> None:
    """Save a model and its tokenizer."""
    job.model.save_pretrained(folder)
    job.task.tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    typer.run(main)
