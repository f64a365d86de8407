"""``deepcuts prune``: its options are those that the parts of a run declare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from deepcuts.common.errors import InputError

_OUTPUT = "Output"


def prune(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Run folder; an interrupted run in it goes on.", rich_help_panel=_OUTPUT
        ),
    ],
    shared: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the fine-tuned model and scores, which other runs then reuse.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    keep_scores: Annotated[
        bool, typer.Option("--keep-scores", help="Save the scores too.", rich_help_panel=_OUTPUT)
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Delete a run that is in the folder.", rich_help_panel=_OUTPUT),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would be done; train nothing.", rich_help_panel=_OUTPUT),
    ] = False,
    report_to: Annotated[
        list[str] | None,
        typer.Option(help="Experiment tracker, such as tensorboard.", rich_help_panel=_OUTPUT),
    ] = None,
    epochs: Annotated[
        str | None,
        typer.Option(
            help="Short for both: FINETUNE+RETRAIN, such as 3+8.",
            rich_help_panel="Training (by default the task's own schedule)",
        ),
    ] = None,
    **given: Any,
) -> None:
    """Prune a model for a task: fine-tune, score, cut, rewind, retrain, measure, save.

    Example:
      deepcuts prune --model bert-base-uncased --task stsb --strategy LayerGradCAMShift --compression 3 -o run

    Your own data:

      deepcuts prune --model minilm --train train.csv --dev dev.csv --text sentence --label class
      --density 0.15 -o run

    The run folder ends with the pruned model (model/), masks.safetensors, history.json and result.json.
    After an interruption the same command goes on where it stopped. With --strategy, --scope, --recipe or
    --objective, --help shows the options that these read.
    """
    from deepcuts.cli.common import print_result, reporter
    from deepcuts.cli.preview import print_preview
    from deepcuts.common.files import check_output
    from deepcuts.common.progress import quiet_libraries
    from deepcuts.runs.config import PruneConfig
    from deepcuts.runs.data import take_data
    from deepcuts.runs.grid.records import former_settings as former_of_store
    from deepcuts.runs.run_folder import check_run_folder, former_settings
    from deepcuts.runs.settings import refuse_unread

    say = reporter()
    settings = {name: value for name, value in given.items() if value not in (None, [])}
    for name, value in _epochs(epochs).items():
        if name in settings:
            flag = f"--{name.replace('_', '-')}"
            raise InputError("epochs", epochs, f"{flag} {settings[name]} is given as well")
        settings[name] = value
    given_now = dict(settings)
    begun = former_settings(output) or (former_of_store(shared) if shared is not None else {})
    settings = {**begun, **settings}
    source, settings = take_data(settings)
    PruneConfig.check_early(settings)
    if report_to:
        from deepcuts.training.arguments import check_report_to

        check_report_to(report_to)
    say.line(f"loading {settings['model']} and {source.task or source.train}")
    task_data = source.load()
    config = PruneConfig.make(task_data.task, **settings, data=source)
    refuse_unread(given_now, config.strategy, config.scope)
    check_run_folder(output, config, overwrite)
    if shared is not None:
        check_output(shared, "shared", folder=True)
    quiet_libraries()
    from deepcuts.runs.inputs import check_inputs
    from deepcuts.runs.preparing import prepare

    job = prepare(config, task_data, say)
    if not overwrite:
        check_inputs(output, job, keep_scores=keep_scores)
    if dry_run:
        print_preview(job)
        return
    from deepcuts.runs.pipeline import prune as run

    result = run(
        job, output, shared=shared, overwrite=overwrite, keep_scores=keep_scores, report_to=report_to or ()
    )
    if job.processes.is_first:
        print_result(result, output)


def complete(arguments: Sequence[str]) -> Callable[..., None]:
    """The command with all options that are declared now.

    Args:
        arguments: Its command line; with ``--strategy``, ``--scope``, ``--recipe`` or ``--objective`` in it,
            ``--help`` shows the options that these read.

    Raises:
        InputError: There is no such strategy, scope, recipe or objective.
    """
    from deepcuts.cli.options import named, with_options
    from deepcuts.runs.data import data_options
    from deepcuts.runs.settings import DATA, SCHEDULED, panels, unread

    found = panels()
    found[DATA] = (*data_options(), *found[DATA])
    hidden = unread(**{axis: named(arguments, axis) for axis in ("strategy", "scope", "recipe", "objective")})
    return with_options(prune, found, hidden=hidden, undecided=SCHEDULED)


def _epochs(text: str | None) -> dict[str, int]:
    """``3+8`` as two numbers."""
    if text is None:
        return {}
    parts = text.split("+")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise InputError("epochs", text, "it must be two whole numbers, FINETUNE+RETRAIN, such as 3+8")
    return {"finetune_epochs": int(parts[0]), "retrain_epochs": int(parts[1])}
