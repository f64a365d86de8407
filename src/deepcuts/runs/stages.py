"""The long stages of a run: fine-tune, score, retrain; each is found in a store, or done and stored."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from deepcuts.architectures.parameters import prunable_parameters
from deepcuts.common import tensor_file
from deepcuts.common.digests import tensors_digest
from deepcuts.common.errors import InputError
from deepcuts.common.processes import Processes
from deepcuts.common.progress import Advance, Reporter
from deepcuts.common.seeds import derive_seed
from deepcuts.common.store import Stage, Store, stage_key
from deepcuts.masks.allocations import allocation_of
from deepcuts.masks.budget import Budget
from deepcuts.masks.masks import Masks
from deepcuts.masks.rewinding import Snapshot, rewind, snapshot
from deepcuts.models.loading import load_for_task
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.plateau import Plateau, find_plateau, ways_off
from deepcuts.scoring.compiled import check_compilable
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.request import ScoreRequest
from deepcuts.scoring.scores import Scores
from deepcuts.scoring.scoring import score_requests
from deepcuts.scoring.strategy import Strategy
from deepcuts.tasks import TaskData, measure
from deepcuts.tasks.encoding import EncodedTask, ScoringBatches, encode
from deepcuts.training.evaluation import predict
from deepcuts.training.plan import TrainingPlan
from deepcuts.training.trainer import train

#: Raised when a stage computes something else than before, so that no old result is taken for a new one.
STAGE_VERSION = 3

#: The kinds of stages, as the store calls them.
FINETUNE: Final = "finetune"
SCORE: Final = "score"
RETRAIN: Final = "retrain"

#: The fields of a configuration that decide what `prepare` loads.
LOADED = frozenset({"model", "data", "seed", "prunable", "max_length", "trust_remote_code"})

_STATE = "state.safetensors"
_SCORES = "scores.safetensors"
_PREDICTIONS, _DEV = "predictions.safetensors", "dev"
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
        """The same model and task under another configuration; nothing is loaded again.

        Raises:
            InputError: It differs in what was loaded: model, task, seed, prunable parameters, lengths.
            DeepcutsError: Scores are to be compiled, and can't be.
        """
        differing = config.differences(self.config.model_dump(mode="json"))
        if others := sorted(differing.keys() & LOADED):
            raise InputError("config", others, f"it may not differ in {', '.join(sorted(LOADED))}")
        prunable = sum(self.sizes.values())
        budget = config.budget(self.total, prunable)
        budget.kept_in_all(prunable)
        job = replace(self, config=config, budget=budget)
        return job if self.request.compiles else job.checked()

    @property
    def title(self) -> str:
        """What is done, in a line."""
        prunable = sum(self.sizes.values())
        return (
            f"{self.config.model} on {self.task.data.task.name}: {self.request.strategy} keeps "
            f"{self.budget.kept_in_all(prunable):,} of {prunable:,} prunable weights"
        )

    @property
    def request(self) -> ScoreRequest:
        """What its weights are scored by."""
        return ScoreRequest(Strategy.parse(self.config.strategy), self.config.scoring())

    def checked(self) -> Job:
        """Itself, once it is known that its scores can be compiled, if they are to be."""
        if self.request.compiles:
            check_compilable(self.model, next(iter(scoring_batches(self, [self.request]))))
        return self

    @property
    def total(self) -> int:
        """Number of all parameters."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def sizes(self) -> dict[str, int]:
        """Number of weights of each prunable parameter."""
        return {name: parameter.numel() for name, parameter in self.parameters.items()}


def prepare(
    config: PruneConfig, data: TaskData, reporter: Reporter | None = None, task: EncodedTask | None = None
) -> Job:
    """Load everything, and check everything that can be checked before any long work.

    Args:
        config: The configuration.
        data: The task that it names, loaded.
        reporter: Where progress is shown, by the first process only.
        task: The task as another job of the same model and length has tokenised it, to save doing it again.

    Raises:
        ModelError: The model can't be loaded.
        InputError: Nothing is prunable, or the budget is out of reach.
        DeepcutsError: Scores are to be compiled, and can't be.
    """
    processes = Processes.join()
    model, tokenizer = load_for_task(
        config.model, data.task, config.seed, trust_remote_code=config.trust_remote_code
    )
    parameters = prunable_parameters(model, config.prunable)
    total, free = (sum(p.numel() for p in part) for part in (model.parameters(), parameters.values()))
    budget = config.budget(total, free)
    budget.kept_in_all(free)
    task = task or encode(data, tokenizer, model, config.max_length)
    start = snapshot(model)
    if torch.cuda.is_available():
        model.to(torch.device("cuda", processes.rank % torch.cuda.device_count()))
    shown = reporter if reporter is not None and processes.is_first else Reporter()
    return Job(config, task, model, start, parameters, budget, processes, shown).checked()


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
        predictions: What the model says of the dev rows, see `deepcuts.training.evaluation.predict`.
        measures: What it reaches there, see `deepcuts.tasks.measure`.
        epochs: See `deepcuts.training.trainer.Training`.
        best_epoch: Likewise.
        seconds: Likewise.
        plateau: Where it ended no better than a constant, or was so after half of its steps.
    """

    key: str
    predictions: Tensor = field(repr=False, compare=False)
    measures: dict[str, float]
    epochs: list[dict[str, Any]]
    best_epoch: int | None
    seconds: float
    plateau: Plateau | None = None


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
    with store.stage(FINETUNE, finetune_identity(job)) as stage:
        return _trained(job, stage, job.config.finetuning(), None, "fine-tune", tracking)


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
    with store.stage(RETRAIN, identity) as stage:
        return _trained(job, stage, plan, masks, "retrain", tracking)


def score_all(job: Job, store: Store, dense: str, requests: Sequence[ScoreRequest]) -> None:
    """Score the model, which must be at θ1, by several strategies in one sweep, into the store.

    Requests that differ in scope, in inversion, or in options that they don't read share; one that the
    store holds already costs no pass.

    Args:
        job: The job; of its configuration only what all scores depend on is read.
        store: Where the scores go.
        dense: Key of the fine-tuning that gave θ1.
        requests: What is wanted.
    """
    first: dict[str, ScoreRequest] = {}
    for request in requests:
        first.setdefault(stage_key(SCORE, score_identity(job, dense, request)), request)
    with ExitStack() as open_stages:
        stages = {
            key: open_stages.enter_context(store.stage(SCORE, score_identity(job, dense, first[key])))
            for key in sorted(first)  # in one order everywhere, so that two runs never wait for each other
        }
        missing = {request: stages[key] for key, request in first.items() if stages[key].record is None}
        for key, request in first.items():
            if request not in missing:
                job.reporter.line(f"score: {request.strategy.score} reused from {stages[key].folder}")
        if missing:
            _sweep(job, missing)


def score_one(job: Job, store: Store, dense: str, request: ScoreRequest) -> Scored:
    """The scores of one request, from the store, or as `score_all` makes them."""
    score_all(job, store, dense, [request])
    with store.stage(SCORE, score_identity(job, dense, request)) as stage:
        record = stage.finished()
        scores = Scores.load(stage.folder / _SCORES).under(request.strategy)
    return Scored(scores, float(record["seconds"]), int(record["shared_by"]))


def scoring_batches(job: Job, requests: Sequence[ScoreRequest]) -> ScoringBatches:
    """The batches that these requests read; none for those that need no data."""
    config = job.config
    limits = [
        request.options.max_smooth_batches if request.strategy.smooth else request.options.max_batches
        for request in requests
        if request.strategy.formula.needs
    ]
    order_seed = derive_seed(config.seed, "scoring order")
    longest = max((limit if limit is not None else len(job.task.train) for limit in limits), default=0)
    return ScoringBatches(job.task, config.score_batch_size, order_seed, longest)


def finetune_identity(job: Job) -> dict[str, Any]:
    """Everything that the fine-tuned model depends on."""
    return {"start": job.start.digest, **_training_identity(job, job.config.finetuning())}


def score_identity(job: Job, dense: str, request: ScoreRequest) -> dict[str, Any]:
    """Everything that the scores of one request depend on; `dense` is the fine-tuning's key."""
    strategy = request.strategy
    options, default = asdict(strategy.options_read(request.options)), asdict(ScoringOptions())
    return {
        "version": STAGE_VERSION,
        "dense": dense,
        "score": strategy.score,
        # Those at their default are left out, so that a new option doesn't make every score anew.
        "options": {name: value for name, value in options.items() if value != default[name]},
        "prunable": list(job.parameters),
        "seed": job.config.seed,
        # Without data there are no batches to depend on, nor processes to share them.
        "batch_size": job.config.score_batch_size if strategy.formula.needs else None,
        "processes": job.processes.count if strategy.formula.needs else None,
    }


def cut_identity(job: Job) -> dict[str, Any]:
    """Everything that the pruned and retrained model depends on, known before anything has run."""
    config, request = job.config, job.request
    allocation = allocation_of(job.budget.scope or request.strategy.scope)
    changed = allocation.changed(job.budget.options)
    dense = stage_key(FINETUNE, finetune_identity(job))
    return {
        "version": STAGE_VERSION,
        "score": stage_key(SCORE, score_identity(job, dense, request)),
        "inverted": request.strategy.inverted,
        "scope": allocation.scope,
        **({"allocation": changed} if changed else {}),
        "density": str(job.budget.density),
        "rewind": config.rewind,
        **_training_identity(job, config.retraining()),
    }


def _sweep(job: Job, stages: Mapping[ScoreRequest, Stage]) -> None:
    started = time.monotonic()
    requests = list(stages)
    batches = scoring_batches(job, requests)
    names = ", ".join(dict.fromkeys(request.strategy.score for request in requests))
    label = f"score {names}"
    with job.reporter.bar(label, len(batches)) as advance:
        found = score_requests(
            job.model,
            _counted(batches, advance),
            requests,
            seed=job.config.seed,
            prunable=job.config.prunable,
            distributed=job.processes.is_distributed,
        )
    seconds = time.monotonic() - started
    job.reporter.line(f"{label}: {len(batches)} batches of {job.config.score_batch_size}  {seconds:.0f} s")
    if job.processes.is_first:
        for request, stage in stages.items():
            found[request].save(stage.folder / _SCORES)
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
        predictions = predict(job.model, job.task)
        found = measure(job.task.data.task, predictions.numpy(), job.task.dev.targets)
        record = {**asdict(training), "measures": found}
        if job.processes.is_first:
            save_predictions(stage.folder / _PREDICTIONS, job, {_DEV: predictions})
            tensor_file.save(stage.folder / _STATE, "state", snapshot(job.model).tensors, {})
            stage.finish(record)
            shutil.rmtree(checkpoints, ignore_errors=True)
        job.processes.wait()
    held, _ = tensor_file.load(stage.folder / _PREDICTIONS, "predictions")
    plateau = find_plateau(job.task, record["epochs"], record["measures"], held[_DEV].numpy())
    if plateau is not None and plateau.at_end:
        job.reporter.line(f"{label}: {plateau.sentence(ways_off(job.config, label))}")
    return Trained(stage.key, held[_DEV], **record, plateau=plateau)


def save_predictions(path: Path, job: Job, predictions: Mapping[str, Tensor]) -> None:
    """Write what models said of the dev rows, ``(rows, outputs)`` each, with the digest of those rows."""
    tensor_file.save(path, "predictions", predictions, {"dev": job.task.dev.digest})


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
