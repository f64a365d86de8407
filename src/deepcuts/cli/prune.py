"""``deepcuts prune``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deepcuts.common.errors import InputError

_DATA = "Task and data"
_CUT = "What is cut"
_TRAINING = "Training (by default the task's own schedule)"
_SCORING = "Scoring"
_OUTPUT = "Output"


def prune(
    model: Annotated[
        str,
        typer.Option(help="Folder, name on the Hub, or 'minilm' (packaged in the extra 'demo')."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Run folder; an interrupted run in it goes on.", rich_help_panel=_OUTPUT
        ),
    ],
    strategy: Annotated[
        str, typer.Option(help="See 'deepcuts strategies'.", rich_help_panel=_CUT)
    ] = "LayerGradCAMShift",
    compression: Annotated[
        float | None, typer.Option(help="Parameters before / after, whole model.", rich_help_panel=_CUT)
    ] = None,
    density: Annotated[
        float | None, typer.Option(help="Share of prunable weights to keep.", rich_help_panel=_CUT)
    ] = None,
    sparsity: Annotated[
        float | None, typer.Option(help="Share of prunable weights to cut.", rich_help_panel=_CUT)
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option(help="tensor or global, instead of the strategy's own.", rich_help_panel=_CUT),
    ] = None,
    prunable: Annotated[
        list[str] | None,
        typer.Option(help="Names of parameters to cut, with wildcards; repeatable.", rich_help_panel=_CUT),
    ] = None,
    rewind: Annotated[
        str,
        typer.Option(help="Retrain from 'pretrained' or 'finetuned' values.", rich_help_panel=_CUT),
    ] = "pretrained",
    task: Annotated[
        str | None, typer.Option(help="sst2, cola, stsb or minimal-pairs.", rich_help_panel=_DATA)
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Folder with the GLUE task; else the Hub.", rich_help_panel=_DATA)
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(help="Your own training file: .csv, .tsv, .jsonl, .parquet.", rich_help_panel=_DATA),
    ] = None,
    dev: Annotated[str | None, typer.Option(help="Your own dev file.", rich_help_panel=_DATA)] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(help="Column with text; repeat for a pair.", rich_help_panel=_DATA),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column to predict.", rich_help_panel=_DATA)] = None,
    kind: Annotated[
        str | None,
        typer.Option(help="classification or regression; else the labels decide.", rich_help_panel=_DATA),
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(help="Tokens of a row at most (default: 128).", rich_help_panel=_DATA)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    epochs: Annotated[
        str | None,
        typer.Option(help="FINETUNE+RETRAIN epochs, such as 3+8.", rich_help_panel=_TRAINING),
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Adam's.", rich_help_panel=_TRAINING)] = None,
    retrain_learning_rate: Annotated[
        float | None,
        typer.Option(help="Adam's, after the cut (default: the same).", rich_help_panel=_TRAINING),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows a step.", rich_help_panel=_TRAINING)] = None,
    accumulation: Annotated[
        int | None, typer.Option(help="Batches a step (default: 1).", rich_help_panel=_TRAINING)
    ] = None,
    decay: Annotated[
        str | None, typer.Option(help="constant or linear (default: constant).", rich_help_panel=_TRAINING)
    ] = None,
    warmup: Annotated[
        float | None,
        typer.Option(help="Share of steps to warm up over (default: 0).", rich_help_panel=_TRAINING),
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="AdamW's (default: 0).", rich_help_panel=_TRAINING)
    ] = None,
    betas: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Adam's (default: 0.9 0.999).", rich_help_panel=_TRAINING),
    ] = None,
    clip: Annotated[
        float | None,
        typer.Option(
            help="Greatest norm of the gradient, 0 for any (default: 1).", rich_help_panel=_TRAINING
        ),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="fp32, bf16 or fp16 (default: fp32).", rich_help_panel=_TRAINING)
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop after so many epochs without a better dev.", rich_help_panel=_TRAINING),
    ] = None,
    group_by_length: Annotated[
        bool | None,
        typer.Option(
            "--group-by-length/--no-group-by-length",
            help="Batches of rows of like length, to save padding (default: no).",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    score_batches: Annotated[
        int | None, typer.Option(help="Batches at most, one pass (default: 1000).", rich_help_panel=_SCORING)
    ] = None,
    smooth_batches: Annotated[
        int | None, typer.Option(help="Batches at most, smoothed (default: 100).", rich_help_panel=_SCORING)
    ] = None,
    score_batch_size: Annotated[
        int | None, typer.Option(help="Rows a batch (default: 16).", rich_help_panel=_SCORING)
    ] = None,
    shift: Annotated[
        float | None, typer.Option(help="λ of Cam-Cut (default: 10).", rich_help_panel=_SCORING)
    ] = None,
    noise_std: Annotated[
        float | None, typer.Option(help="Noise of smoothed scores (default: 0.1).", rich_help_panel=_SCORING)
    ] = None,
    paths: Annotated[
        int | None, typer.Option(help="η, noisy passes a batch (default: 10).", rich_help_panel=_SCORING)
    ] = None,
    dropout: Annotated[
        bool | None,
        typer.Option(
            "--dropout/--no-dropout", help="While scoring (default: off).", rich_help_panel=_SCORING
        ),
    ] = None,
    score_precision: Annotated[
        str | None,
        typer.Option(help="fp32 or bf16, while scoring (default: fp32).", rich_help_panel=_SCORING),
    ] = None,
    score_compile: Annotated[
        bool | None,
        typer.Option(
            "--score-compile/--no-score-compile",
            help="Score by torch.compile, but for the noisy passes (default: no).",
            rich_help_panel=_SCORING,
        ),
    ] = None,
    padding: Annotated[
        bool | None,
        typer.Option(
            "--padding/--no-padding",
            help="Padding counts in the CAM (default: no).",
            rich_help_panel=_SCORING,
        ),
    ] = None,
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
        bool, typer.Option("--dry-run", help="Print the plan; train nothing.", rich_help_panel=_OUTPUT)
    ] = False,
    report_to: Annotated[
        list[str] | None,
        typer.Option(help="Experiment tracker, such as tensorboard.", rich_help_panel=_OUTPUT),
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let code that comes with the model run.")
    ] = False,
) -> None:
    """Prune a model for a task: fine-tune, score, cut, rewind, retrain, measure, save.

    Example:
      deepcuts prune --model bert-base-uncased --task stsb --strategy LayerGradCAMShift --compression 3 -o run

    Your own data:

      deepcuts prune --model minilm --train train.csv --dev dev.csv --text sentence --label class
      --density 0.15 -o run

    The run folder ends with the pruned model (model/), masks.safetensors, history.json and result.json.
    After an interruption the same command goes on where it stopped.
    """
    arguments = dict(locals())
    from deepcuts.cli.common import print_result, reporter
    from deepcuts.cli.plan import print_plan
    from deepcuts.common.quiet import quiet_libraries
    from deepcuts.runs.config import DataConfig, PruneConfig
    from deepcuts.runs.run_folder import check_run_folder

    say = reporter()
    arguments["finetune_epochs"], arguments["retrain_epochs"] = _epochs(epochs)
    source = DataConfig.make(**{name: arguments[name] for name in DataConfig.model_fields})
    PruneConfig.check_strategy_and_budget(strategy, compression, density, sparsity)
    say.line(f"loading {model} and {task or train}")
    task_data = source.load()
    settings = {name: arguments[name] for name in PruneConfig.model_fields if name in arguments}
    config = PruneConfig.make(task_data.task, **{**settings, "data": source})
    check_run_folder(output, config, overwrite)
    quiet_libraries()
    from deepcuts.runs.stages import prepare

    job = prepare(config, task_data, say)
    if dry_run:
        print_plan(job)
        return
    from deepcuts.runs.pipeline import prune as run

    result = run(
        job, output, shared=shared, overwrite=overwrite, keep_scores=keep_scores, report_to=report_to or ()
    )
    if job.processes.is_first:
        print_result(result, output)


def _epochs(text: str | None) -> tuple[int | None, int | None]:
    """``3+8`` as two numbers."""
    if text is None:
        return None, None
    parts = text.split("+")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise InputError("epochs", text, "it must be two whole numbers, FINETUNE+RETRAIN, such as 3+8")
    return int(parts[0]), int(parts[1])
