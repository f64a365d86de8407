"""A configuration with everything loaded that its steps need."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from deepcuts.common import tensor_file
from deepcuts.common.errors import InputError
from deepcuts.common.processes import Processes
from deepcuts.common.progress import Reporter
from deepcuts.common.seeds import derive_seed
from deepcuts.masks.budget import Budget
from deepcuts.masks.masks import Masks
from deepcuts.masks.rewinding import Snapshot, rewind
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.facts import facts_of
from deepcuts.runs.notes import notes_of
from deepcuts.runs.planned import Planned
from deepcuts.runs.plans import check_plans, try_gradient
from deepcuts.runs.plateau import Plateau, find_plateau, why_constant_on_dev
from deepcuts.runs.saving import save_and_check
from deepcuts.runs.steps import Aim, Run
from deepcuts.runs.steps.workpiece import Assessment, Tracking, Training
from deepcuts.runs.tested import tested
from deepcuts.scoring.compiled import check_compilable
from deepcuts.tasks import measure
from deepcuts.tasks.encoding import EncodedTask, ScoringBatches
from deepcuts.tasks.lengths import KEY as LENGTH_KEY
from deepcuts.tasks.texts import KEY as TEXTS_KEY
from deepcuts.training.evaluation import predict
from deepcuts.training.plan import TrainingPlan
from deepcuts.training.trainer import train

#: The fields of a configuration that decide what `prepare` loads.
LOADED = frozenset(
    {"model", "data", "seed", "prunable", "max_length", "head", "trust_remote_code", "select_on"}
    | {"start", "pretrained"}
)


@dataclass
class Job(Planned):
    """A configuration with everything loaded that its steps need: their `Workpiece`.

    Attributes:
        config: The configuration.
        task: The tokenised task.
        model: The model, on its device; at its start when it is prepared.
        start: θ0, or what is fine-tuned already.
        start_digest: Its digest.
        config_digest: That of the model's configuration as it was then; a forward pass may write to it.
        parameters: The prunable parameters of `model`.
        budget: How much is kept.
        processes: The processes that share the work.
        reporter: Where progress is shown.
        told: What was guessed or found while it was loaded, a sentence each.
        tried: What is known to be computed by this model, see `deepcuts.runs.plans.try_gradient`.
        before: θ0 of a model that starts fine-tuned; None where that is the start, or not known.
    """

    config: PruneConfig
    task: EncodedTask
    model: PreTrainedModel
    start: Snapshot
    start_digest: str
    config_digest: str | None
    parameters: Mapping[str, nn.Parameter]
    budget: Budget
    processes: Processes
    reporter: Reporter
    told: tuple[str, ...] = ()
    tried: set[Any] = field(default_factory=set)
    before: Snapshot | None = None

    def with_config(self, config: PruneConfig) -> Job:
        """The same model and task under another configuration; nothing is loaded again.

        Raises:
            InputError: It differs in what was loaded: model, task, seed, prunable parameters, lengths; or its
                scores don't fit into memory.
            DeepcutsError: Scores are to be compiled, and can't be.
        """
        differing = config.differences(self.config.model_dump(mode="json"))
        if others := sorted(differing.keys() & LOADED):
            raise InputError("config", others, f"it may not differ in {', '.join(sorted(LOADED))}")
        prunable = sum(self.sizes.values())
        budget = config.budget(self.total, prunable)
        budget.kept_in_all(prunable)
        job = replace(self, config=config, budget=budget)
        check_plans(job)
        try_gradient(job)
        return job if self.request.compiles else job.checked()

    @property
    def subject(self) -> str:
        """Model and task."""
        return f"{self.config.model} on {self.task.data.task.name}"

    @property
    def described(self) -> Sequence[tuple[str, str]]:
        """What was guessed of the task's files."""
        return self.task.data.described

    def tested(self, run: Run) -> dict[str, Any]:
        """See `deepcuts.runs.tested.tested`."""
        return tested(self, run)

    def facts(self) -> dict[str, Any]:
        """See `deepcuts.runs.facts.facts_of`."""
        return facts_of(self)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of what will be done, a sentence each."""
        return (*self.told, *notes_of(self))

    def checked(self) -> Job:
        """Itself, once it is known that its scores can be compiled, if they are to be."""
        if self.request.compiles:
            check_compilable(self.model, next(iter(self.batches(self.config.score_batch_size, 1))))
        return self

    # What its steps see of it, see `Workpiece`.

    @property
    def rows(self) -> int:
        """Number of training rows."""
        return len(self.task.train)

    @property
    def has_former(self) -> bool:
        """Version 0.1 made jobs as well, but none with θ0 of its own."""
        return self.before is None

    @property
    def pretrained(self) -> Snapshot:
        """θ0."""
        return self.start if self.before is None else self.before

    @property
    def loss(self) -> None:
        """The model's own."""
        return None

    @cached_property
    def origin(self) -> dict[str, Any]:
        """θ0, and what the model makes of it."""
        output_range = self.task.data.task.output_range
        found = {"start": self.start_digest, "config": self.config_digest}
        held: dict[str, Any] = {"keep_zeros": True} if self.config.keep_zeros else {}
        if self.before is not None:
            held["pretrained"] = self.before.digest
        return {**found, **held, **({"output_range": list(output_range)} if output_range else {})}

    @property
    def lessons(self) -> dict[str, Any]:
        """Digests of the rows, and the measure by which the best epoch is chosen."""
        held_out = self.task.held_out
        return {
            "train": self.task.train.digest,
            "dev": self.task.dev.digest,
            "primary": self.task.data.task.primary,
            **({"held_out": held_out.encoded.digest} if held_out else {}),
        }

    @property
    def material(self) -> dict[str, Any]:
        """Digest of the training rows."""
        return {"train": self.task.train.digest}

    def train(
        self,
        plan: TrainingPlan,
        folder: Path,
        *,
        masks: Masks | None,
        aim: Aim,
        teacher: Snapshot | None,
        label: str,
        tracking: Tracking | None,
    ) -> Training:
        """See `deepcuts.training.trainer.train`."""
        done = train(
            self.model,
            self.task,
            plan,
            folder,
            masks=masks,
            objective=aim.objective,
            objective_options=aim.options,
            teacher=None if teacher is None else self._at(teacher),
            label=label,
            reporter=self.reporter,
            report_to=tracking.report_to if tracking else (),
            logs=tracking.folder / label if tracking else None,
        )
        last = None if done.last is None else Assessment(self._measured(done.last), done.last)
        if last is None:
            return Training(done.epochs, done.best_epoch, done.seconds)
        return Training(done.epochs, done.best_epoch, done.seconds, last.measures, self.why_constant(last))

    def _at(self, values: Snapshot) -> PreTrainedModel:
        """Another model like this one, with other values."""
        found = copy.deepcopy(self.model)
        rewind(found, values)
        return found

    def assess(self) -> Assessment:
        """See `deepcuts.training.evaluation.predict` and `deepcuts.tasks.measure`."""
        predictions = predict(self.model, self.task)
        return Assessment(self._measured(predictions), predictions)

    def _measured(self, predictions: Tensor) -> dict[str, float]:
        return measure(self.task.data.task, predictions.numpy(), self.task.dev.targets)

    def why_constant(self, found: Assessment) -> str | None:
        """See `deepcuts.runs.plateau.why_constant_on_dev`."""
        assert found.predictions is not None
        return why_constant_on_dev(self.task, found.measures, found.predictions.numpy())

    def plateau(
        self, epochs: Sequence[Mapping[str, Any]], measures: Mapping[str, float], predictions: Tensor | None
    ) -> Plateau | None:
        """See `deepcuts.runs.plateau.find_plateau`."""
        assert predictions is not None
        return find_plateau(self.task, epochs, measures, predictions.numpy())

    def batches(self, size: int, limit: int | None) -> ScoringBatches:
        """Batches of shuffled training rows; the order is the seed's."""
        order_seed = derive_seed(self.seed, "scoring order")
        return ScoringBatches(self.task, size, order_seed, self.rows if limit is None else limit)

    def save_predictions(
        self, path: Path, predictions: Mapping[str, Tensor], *, targets: bool = False
    ) -> None:
        """Write what models said of the dev rows, with the digest of those rows."""
        said = dict(predictions)
        if targets:
            said["targets"] = self.task.kind.tensor(self.task.dev.targets)
        tensor_file.save(path, "predictions", said, {"dev": self.task.dev.digest})

    def save(self, folder: Path, masks: Masks) -> None:
        """Model, which says how long its rows were, and tokenizer; see `save_and_check`."""
        setattr(self.model.config, LENGTH_KEY, self.task.length)
        setattr(self.model.config, TEXTS_KEY, len(self.task.data.task.text_columns))
        save_and_check(
            self.model, self.task.tokenizer, folder, masks, trust_remote_code=self.config.trust_remote_code
        )
