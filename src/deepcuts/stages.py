"""The long stages of a run: fine-tune, score, retrain; each is found in a store, or done and stored."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from deepcuts import tensor_file
from deepcuts.budget import Budget
from deepcuts.config import PruneConfig
from deepcuts.digests import tensors_digest
from deepcuts.encoding import EncodedTask, ScoringBatches, encode
from deepcuts.errors import InputError
from deepcuts.masks import Masks
from deepcuts.models import load_for_task
from deepcuts.processes import Processes
from deepcuts.progress import Advance, Reporter
from deepcuts.prunable import prunable_parameters
from deepcuts.rewinding import Snapshot, rewind, snapshot
from deepcuts.scores import Scores
from deepcuts.scoring import score
from deepcuts.seeds import derive_seed
from deepcuts.store import Stage, Store
from deepcuts.strategy import Strategy
from deepcuts.tasks import TaskData
from deepcuts.training import train
from deepcuts.training_plan import TrainingPlan

#: Raised when a stage computes something else than before, so that no old result is taken for a new one.
STAGE_VERSION = 1

_STATE = "state.safetensors"
_SCORES = "scores.safetensors"
_CHECKPOINTS = "checkpoints"


@dataclass
class Job:
    """A configuration with everything loaded that its stages need.

    Attributes:
        config: The configuration.
        task: The tokenised task.
        model: The model, on its device; at θ0 when it is prepared.
        start: θ0.
        parameters: The prunable parameters of `model`.
        budget: How much is kept.
        processes: The processes that share the work.
        reporter: Where progress is shown.
    """

    config: PruneConfig
    task: EncodedTask
    model: PreTrainedModel
    start: Snapshot
    parameters: Mapping[str, nn.Parameter]
    budget: Budget
    processes: Processes
    reporter: Reporter

    def with_config(self, config: PruneConfig) -> Job:
        """The same model and task under another configuration of the cut; nothing is loaded again.

        Raises:
            InputError: It differs in more than strategy, budget, scope or rewind.
        """
        allowed = {"strategy", "compression", "density", "sparsity", "scope", "rewind"}
        differing = config.differences(self.config.model_dump(mode="json"))
        if others := sorted(differing.keys() - allowed):
            raise InputError("config", others, f"it may differ in {', '.join(sorted(allowed))} alone")
        return replace(self, config=config, budget=config.budget(self.total, sum(self.sizes.values())))

    @property
    def total(self) -> int:
        """Number of all parameters."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def sizes(self) -> dict[str, int]:
        """Number of weights of each prunable parameter."""
        return {name: parameter.numel() for name, parameter in self.parameters.items()}


def prepare(config: PruneConfig, data: TaskData, reporter: Reporter | None = None) -> Job:
    """Load everything, and check everything that can be checked before any long work.

    Args:
        config: The configuration.
        data: The task that it names, loaded.
        reporter: Where progress is shown, by the first process only.

    Raises:
        ModelError: The model can't be loaded.
        InputError: Nothing is prunable, or the budget is out of reach.
    """
    processes = Processes.join()
    model, tokenizer = load_for_task(
        config.model, data.task, config.seed, trust_remote_code=config.trust_remote_code
    )
    parameters = prunable_parameters(model, config.prunable)
    total, free = (sum(p.numel() for p in part) for part in (model.parameters(), parameters.values()))
    budget = config.budget(total, free)
    budget.kept_in_all(free)
    task = encode(data, tokenizer, model, config.max_length)
    start = snapshot(model)
    if torch.cuda.is_available():
        model.to(torch.device("cuda", processes.rank % torch.cuda.device_count()))
    shown = reporter if reporter is not None and processes.is_first else Reporter()
    return Job(config, task, model, start, parameters, budget, processes, shown)


@dataclass(frozen=True)
class Tracking:
    """Where trainings are logged, beside the history that every run keeps.

    Attributes:
        report_to: Experiment trackers that Transformers knows, such as ``"tensorboard"``.
        folder: For those that write files; one folder a training is made in it.
    """

    report_to: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class Trained:
    """A finished training; the model has its weights.

    Attributes:
        key: Digest of everything that it depends on.
        epochs: See `deepcuts.training.Training`.
        best_epoch: Likewise.
        seconds: Likewise.
    """

    key: str
    epochs: list[dict[str, Any]]
    best_epoch: int | None
    seconds: float


@dataclass(frozen=True)
class Scored:
    """Scores of one strategy.

    Attributes:
        scores: The scores.
        seconds: Wall time of the sweep that made them.
        shared_by: How many kinds of scores that sweep made.
    """

    scores: Scores
    seconds: float
    shared_by: int


def finetune(job: Job, store: Store, tracking: Tracking | None = None) -> Trained:
    """θ0 → θ1: fine-tune the dense model, which must be at θ0."""
    plan = job.config.finetuning()
    identity = {"start": job.start.digest, **_training_identity(job, plan)}
    with store.stage("finetune", identity) as stage:
        return _trained(job, stage, plan, None, "fine-tune", tracking)


def retrain(
    job: Job, store: Store, masks: Masks, dense: Trained, tracking: Tracking | None = None
) -> Trained:
    """M ⊙ θ → M ⊙ θ2: train the model as it is, with masks held and a fresh optimizer."""
    plan = job.config.retraining()
    identity = {
        "dense": dense.key,
        "rewind": job.config.rewind,
        "masks": tensors_digest(masks.items()),
        **_training_identity(job, plan),
    }
    with store.stage("retrain", identity) as stage:
        return _trained(job, stage, plan, masks, "retrain", tracking)


def score_strategies(
    job: Job, store: Store, dense: Trained, strategies: Sequence[Strategy]
) -> dict[Strategy, Scored]:
    """Score the model, which must be at θ1, by several strategies in one sweep.

    What the store holds is taken from there; strategies that differ in scope or inversion alone share.
    """
    config = job.config
    options = config.scoring()
    names = {strategy.score: Strategy(strategy.criterion, smooth=strategy.smooth) for strategy in strategies}
    with ExitStack() as open_stages:
        stages: dict[str, Stage] = {}
        for name in sorted(names):  # in one order everywhere, so that two runs never wait for each other
            identity = {
                "version": STAGE_VERSION,
                "dense": dense.key,
                "score": name,
                "options": asdict(options),
                "batch_size": config.score_batch_size,
                "seed": config.seed,
                "prunable": list(job.parameters),
                "processes": job.processes.count,
            }
            stages[name] = open_stages.enter_context(store.stage("score", identity))
        missing = [name for name, stage in stages.items() if stage.record is None]
        if missing:
            _sweep(job, {name: stages[name] for name in missing}, [names[name] for name in missing])
        found = {}
        for name, stage in stages.items():
            if name not in missing:
                job.reporter.line(f"score: {name} reused from {stage.folder}")
            record = stage.finished()
            found[name] = Scored(
                Scores.load(stage.folder / _SCORES), float(record["seconds"]), int(record["shared_by"])
            )
    return {
        strategy: Scored(
            found[strategy.score].scores.under(strategy),
            found[strategy.score].seconds,
            found[strategy.score].shared_by,
        )
        for strategy in strategies
    }


def scoring_batches(job: Job, strategies: Sequence[Strategy]) -> ScoringBatches:
    """The batches that these strategies read; none for those that need no data."""
    config = job.config
    limits = [
        config.smooth_batches if strategy.smooth else config.score_batches
        for strategy in strategies
        if strategy.formula.needs
    ]
    order_seed = derive_seed(config.seed, "scoring order")
    return ScoringBatches(job.task, config.score_batch_size, order_seed, max(limits, default=0))


def _sweep(job: Job, stages: Mapping[str, Stage], strategies: Sequence[Strategy]) -> None:
    started = time.monotonic()
    batches = scoring_batches(job, strategies)
    label = f"score {', '.join(stages)}"
    with job.reporter.bar(label, len(batches)) as advance:
        found = score(
            job.model,
            _counted(batches, advance),
            strategies,
            seed=job.config.seed,
            options=job.config.scoring(),
            prunable=job.config.prunable,
            distributed=job.processes.is_distributed,
        )
    seconds = time.monotonic() - started
    job.reporter.line(f"{label}: {len(batches)} batches of {job.config.score_batch_size}  {seconds:.0f} s")
    if job.processes.is_first:
        for strategy in strategies:
            stage = stages[strategy.score]
            found[str(strategy)].save(stage.folder / _SCORES)
            stage.finish({"seconds": seconds, "shared_by": len(stages)})
    job.processes.wait()


def _counted(batches: ScoringBatches, advance: Advance) -> Iterator[dict[str, Tensor]]:
    for batch in batches:
        yield batch
        advance()


def _trained(
    job: Job, stage: Stage, plan: TrainingPlan, masks: Masks | None, label: str, tracking: Tracking | None
) -> Trained:
    checkpoints = stage.folder / _CHECKPOINTS
    if stage.record is not None:
        job.reporter.line(f"{label}: reused from {stage.folder}")
        tensors, _ = tensor_file.load(stage.folder / _STATE, "state")
        rewind(job.model, Snapshot(tensors))
        record = stage.record
    else:
        training = train(
            job.model,
            job.task,
            plan,
            checkpoints,
            masks=masks,
            label=label,
            reporter=job.reporter,
            report_to=tracking.report_to if tracking else (),
            logs=tracking.folder / label if tracking else None,
        )
        record = asdict(training)
        if job.processes.is_first:
            tensor_file.save(stage.folder / _STATE, "state", snapshot(job.model).tensors, {})
            stage.finish(record)
            shutil.rmtree(checkpoints, ignore_errors=True)
        job.processes.wait()
    return Trained(stage.key, **record)


def _training_identity(job: Job, plan: TrainingPlan) -> dict[str, Any]:
    task = job.task.data.task
    return {
        "version": STAGE_VERSION,
        "train": job.task.train.digest,
        "dev": job.task.dev.digest,
        "primary": task.primary,
        "output_range": list(task.output_range) if task.output_range else None,
        "plan": asdict(plan),
        "processes": job.processes.count,
    }
