"""``deepcuts evaluate``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer


def evaluate(
    model: Annotated[
        str,
        typer.Argument(help="A run folder, a folder or Hub name of a fine-tuned model, or a packed file."),
    ],
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let code that comes with the model run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    **given: Any,
) -> None:
    """Measure a model on a task's dev rows, and on test rows if there are some, beside the constant baseline.

    Example:  deepcuts evaluate run --task stsb --data glue
    """
    import json

    from deepcuts.cli.common import data_to_measure_on, measure_cells, print_table
    from deepcuts.common.progress import quiet_libraries

    source, length = data_to_measure_on(model, given)
    task_data = source.load()
    quiet_libraries()
    from deepcuts.deploy.export.source import load_pruned
    from deepcuts.models.checks import computing
    from deepcuts.models.purpose import check_fits
    from deepcuts.tasks import baseline, measure, why_constant
    from deepcuts.tasks.encoding import encode
    from deepcuts.training.evaluation import predict

    loaded, tokenizer = load_pruned(model, trust_remote_code=trust_remote_code)
    check_fits(loaded, task_data.task)
    encoded = encode(task_data, tokenizer, loaded, length)
    splits = {"dev": (task_data.dev, encoded.dev), "test": (task_data.test, encoded.test)}
    task = task_data.task
    found: dict[str, dict[str, Any]] = {}
    for name, (texts, rows) in splits.items():
        if texts is None or rows is None:
            continue
        with computing():
            said = predict(loaded, encoded, rows).numpy()
        constant, reached = baseline(task, task_data.train, texts), measure(task, said, rows.targets)
        why = why_constant(task.kind, task.primary, reached, constant, len(rows), said, rows.targets)
        found[name] = {"baseline": constant, "model": reached, "constant": why}
    if as_json:
        on_dev = {"task": task_data.task.name, "digest": task_data.digest, **found.pop("dev")}
        typer.echo(json.dumps({**on_dev, **found}, indent=2))
        return
    told = [*encoded.notes, f"{encoded.truncated:,} rows were cut to {encoded.length} tokens"]
    for split, measured in found.items():
        names = list(measured["model"])
        table = [
            ["baseline (constant)", *measure_cells(names, measured["baseline"])],
            [
                f"{model} (as good as constant)" if measured["constant"] else model,
                *measure_cells(names, measured["model"]),
            ],
        ]
        texts, _ = splits[split]
        title = f"{task.name}, {len(texts or ()):,} {split} rows"
        told += [f"{split}: as good as constant, {why}"] if (why := measured["constant"]) else []
        print_table(title, [split, *names], table, "\n".join(told) if split == list(found)[-1] else None)


def complete(arguments: Sequence[str]) -> Callable[..., None]:
    """The command with the options of its data; it reads nothing of its command line before."""
    from deepcuts.cli.common import with_data

    return with_data(evaluate)
