"""From a configuration to a job: everything is loaded, and checked, before any long work."""

from __future__ import annotations

from typing import Any

import torch

from deepcuts.architectures.parameters import prunable_parameters
from deepcuts.common.processes import Processes
from deepcuts.common.progress import Reporter
from deepcuts.masks.rewinding import Snapshot, snapshot
from deepcuts.models.checks import computing
from deepcuts.models.former_head import NEW
from deepcuts.models.loading import load_for_task
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.config_digest import config_digest
from deepcuts.runs.job import Job
from deepcuts.runs.plans import check_plans, try_gradient
from deepcuts.runs.pretrained import pretrained_values
from deepcuts.runs.starting import FINETUNED
from deepcuts.tasks import TaskData
from deepcuts.tasks.encoding import EncodedSplit, EncodedTask, encode, hold_out
from deepcuts.training.evaluation import predict


def prepare(
    config: PruneConfig, data: TaskData, reporter: Reporter | None = None, task: EncodedTask | None = None
) -> Job:
    """Load everything, and check everything that can be checked before any long work.

    Args:
        config: The configuration.
        data: The task that it names, loaded.
        reporter: Where progress is shown, by the first process only.
        task: The task as another job of the same model and length has tokenised it, to save doing it again;
            no row is held out.

    Raises:
        ModelError: The model can't be loaded, or can't compute the task's rows.
        InputError: Nothing is prunable, or the budget is out of reach.
        DeepcutsError: Scores are to be compiled, and can't be; or their gradient is not one of this model.
    """
    processes = Processes.join()
    notes: list[str] = []
    model, tokenizer = load_for_task(
        config.model,
        data.task,
        config.seed,
        head=config.head,
        trained=config.start == FINETUNED,
        trust_remote_code=config.trust_remote_code,
        notes=notes,
    )
    parameters = prunable_parameters(model, config.prunable)
    total, free = (sum(p.numel() for p in part) for part in (model.parameters(), parameters.values()))
    budget = config.budget(total, free)
    budget.kept_in_all(free)
    task = task or encode(data, tokenizer, model, config.max_length)
    if config.select_on == "held-out":
        task = hold_out(task, config.seed)
    start = snapshot(model)
    before = None if config.pretrained is None else _before(config, data, model, start)
    if torch.cuda.is_available():
        model.to(torch.device("cuda", processes.rank % torch.cuda.device_count()))
    shown = reporter if reporter is not None and processes.is_first else Reporter()
    digests = start.digest, config_digest(model)
    told = (*notes, *task.notes)
    job = Job(config, task, model, start, *digests, parameters, budget, processes, shown, told, before=before)
    check_plans(job)
    _try(job)
    try_gradient(job)
    return job.checked()


def _before(config: PruneConfig, data: TaskData, model: Any, now: Snapshot) -> Snapshot:
    """θ0 of a fine-tuned model, its head made by the seed as for one that is fine-tuned here."""
    other, _ = load_for_task(
        config.pretrained, data.task, config.seed, head=NEW, trust_remote_code=config.trust_remote_code
    )
    return pretrained_values(config.pretrained, other, model, now)[0]


def _try(job: Job) -> None:
    """Let the model compute its longest and its shortest row: what it can't do is known before any long work.

    Raises:
        ModelError: It can't.
    """
    rows = sorted(job.task.train.rows, key=lambda row: len(row["input_ids"]))
    with computing():
        predict(job.model, job.task, EncodedSplit([rows[-1], rows[0]]))
