"""What several subcommands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from deepcuts.common.shown import printable

if TYPE_CHECKING:
    from deepcuts.common.progress import Reporter
    from deepcuts.runs.data import DataConfig


def reporter() -> Reporter:
    """Progress on standard error, so that standard output holds results alone."""
    from deepcuts.common.progress import Reporter, console

    return Reporter(console(stderr=True) if is_first_process() else None)


def say(text: str, *, err: bool = False) -> None:
    """Print a text that may hold names, paths or messages of others' making."""
    typer.echo(printable(text), err=err)


def is_first_process() -> bool:
    """Whether this process may talk: the only one, or the first of those a launcher started."""
    return os.environ.get("RANK", "0") == "0"


def with_data(function: Callable[..., None], left_out: Collection[str] = ()) -> Callable[..., None]:
    """A command that measures on dev, with the options of which rows those are; by default a run's own.

    Args:
        function: See `deepcuts.cli.options.with_options`.
        left_out: Names of options of the data that it doesn't read.
    """
    from deepcuts.cli.options import with_options
    from deepcuts.runs.data import data_options
    from deepcuts.runs.settings import LENGTH

    panel = "What is measured on dev (by default a run's own)"
    found = [option for option in (*data_options(), LENGTH) if option.setting not in left_out]
    return with_options(function, {panel: found}, undecided=[LENGTH.setting])


def data_to_measure_on(model: str, given: Mapping[str, Any]) -> tuple[DataConfig, int | None]:
    """Where a command's dev rows come from, and how many tokens a row has at most, None where the model says.

    Args:
        model: As the command takes it; a run folder knows its own data and length.
        given: What the command is given of the options that `with_data` adds.

    Raises:
        InputError: A value is not allowed.
    """
    from deepcuts.runs.data import DataConfig, take_data
    from deepcuts.runs.run_folder import saved_config
    from deepcuts.runs.settings import LENGTH

    settings = {name: value for name, value in given.items() if value not in (None, [])}
    length = settings.pop(LENGTH.setting, None)
    source, _ = take_data(settings)
    saved = saved_config(Path(model))
    if saved is not None and source.task is None and source.train is None:
        source = DataConfig.make({**saved["data"], **settings})
    if length is None and saved is not None:
        length = saved[LENGTH.setting]
    return source, None if length is None else LENGTH.checked(length)


def texts_of_run(folder: Path) -> int | None:
    """How many texts a row has that a finished run was trained on; None where that is not known."""
    from deepcuts.runs.run_folder import saved_config

    saved = saved_config(folder)
    source = (saved or {}).get("data") or {}
    if source.get("text"):
        return len(source["text"])
    if source.get("task"):
        from deepcuts.tasks import named_tasks

        task = named_tasks().get(source["task"])
        return None if task is None else len(task.text_columns)
    return None


def print_table(title: str, columns: list[str], rows: list[list[str]], caption: str | None = None) -> None:
    """Print a table on standard output: the first column to the left, numbers to the right."""
    from rich import box
    from rich.table import Table

    from deepcuts.common.progress import console

    def cell(text: str) -> str:
        return printable(text, lines=False)

    table = Table(title=cell(title), box=box.SIMPLE_HEAD, title_justify="left", caption_justify="left")
    for index, column in enumerate(columns):
        table.add_column(cell(column), justify="left" if index == 0 else "right", no_wrap=index == 0)
    for row in rows:
        table.add_row(*map(cell, row))
    # Elsewhere than in a terminal a table must not be folded to a width that nobody has.
    width = None if sys.stdout.isatty() else max(120, 40 + 14 * len(columns))
    out = console(width=width)
    out.print(table)
    if caption:
        out.print(printable(caption), soft_wrap=True)


def measure_cells(names: list[str], measures: Mapping[str, Any]) -> list[str]:
    """Measures as text, a dash for what is missing."""
    return [f"{measures[name]:.4f}" if name in measures else "–" for name in names]


def print_result(result: Mapping[str, Any], folder: Path) -> None:
    """Print what a run found: baseline, dense, pruned and retrained, and where it lies."""
    names = [result["task"]["primary"], *(n for n in result["dense"] if n != result["task"]["primary"])]
    phases = {
        "baseline (constant)": "baseline",
        "dense": "dense",
        "pruned": "pruned",
        "pruned, retrained": "retrained",
    }
    kept = result["kept"]
    trainings = {"dense": "fine-tune", "retrained": "retrain"}

    def marked(title: str, key: str) -> str:
        if key in trainings and on_plateau(result, trainings[key]):
            return f"{title} (plateau)"
        return f"{title} (as good as constant)" if why_constant(result, key) else title

    print_table(
        f"{result['strategy']} on {result['task']['name']}, seed {result['seed']}",
        ["dev", *names],
        [[marked(title, key), *measure_cells(names, result[key])] for title, key in phases.items()],
        f"{kept['weights']:,} of {result['model']['prunable']:,} prunable weights kept "
        f"(density {kept['density']:.4f}); {kept['parameters_left']:,} of "
        f"{result['model']['parameters']:,} parameters left (compression {kept['compression']:.3f}).\n"
        "Checked after retraining and in the saved files: every cut weight is exactly 0, and exactly the "
        f"planned number is kept.\n{chosen_on(result)}"
        f"{''.join(f'{chr(10)}{line}' for line in plateau_lines(result))}"
        f"\nResults: {folder}",
    )
    if "test" in result:
        _print_tested(result["test"], names, phases)


def _print_tested(tested: Mapping[str, Any], names: list[str], phases: Mapping[str, str]) -> None:
    """Print what was measured on the test rows."""
    why = tested["constant"]
    rows = [
        [f"{title} (as good as constant)" if why.get(key) else title, *measure_cells(names, tested[key])]
        for title, key in phases.items()
        if key in tested
    ]
    told = "Measured once, when all was done; nothing was chosen on these rows."
    print_table(f"{tested['rows']:,} test rows", ["test", *names], rows, told)


def chosen_on(result: Mapping[str, Any]) -> str:
    """A sentence on the rows that epochs were chosen on; results of earlier versions don't say."""
    task = result["task"]
    if task.get("select_on") == "held-out":
        rows = f"{task['held_out_rows']:,} rows held out from train"
        return f"Epochs were chosen on {rows}; dev was measured once."
    return "Epochs were chosen on the same dev rows that are measured here."


def on_plateau(result: Mapping[str, Any], training: str) -> bool:
    """Whether a training of a run ended on a plateau; results of earlier versions don't say."""
    found = (result.get("plateau") or {}).get(training)
    return found is not None and bool(found["at_end"])


def why_constant(result: Mapping[str, Any], phase: str) -> str | None:
    """Why a model is no better than a constant in a phase of a run; results of earlier versions don't say."""
    found: str | None = (result.get("constant") or {}).get(phase)
    return found


def ended_constant(result: Mapping[str, Any]) -> bool:
    """Whether the model that a run left is no better than a constant."""
    return on_plateau(result, "retrain") or why_constant(result, "retrained") is not None


def plateau_lines(result: Mapping[str, Any]) -> list[str]:
    """What is to be said of the trainings of a run that ended on a plateau."""
    return [
        f"PLATEAU: {title} ended no better than a constant prediction ({result['plateau'][name]['why']}); "
        f"try {' or '.join(result['plateau'][name]['try'])}."
        for name, title in {"fine-tune": "fine-tuning", "retrain": "retraining"}.items()
        if on_plateau(result, name)
    ]
