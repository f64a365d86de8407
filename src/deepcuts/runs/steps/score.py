"""Scoring: one sweep for all scores that are wanted of one model; found in a store, or done and stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from deepcuts.common.progress import Advance
from deepcuts.common.store import Identity, Stage, Store
from deepcuts.runs.steps.step import Run, Scored, SharedStep, Work, arithmetic, said
from deepcuts.runs.steps.workpiece import Batches, Workpiece
from deepcuts.scoring.memory import fitting
from deepcuts.scoring.scores import Scores
from deepcuts.scoring.scoring import count_passes, score_requests
from deepcuts.scoring.strategy import ScoreRequest

#: Raised when scores of the same identity would come out otherwise, or an option's default has changed.
VERSION = 4

_SCORES = "scores.safetensors"


@dataclass(frozen=True)
class Score(SharedStep):
    """Score the model as it is, under the masks that are on it.

    Attributes:
        request: By what.
        batch_size: Rows a batch.
        former: How version 0.1 identified it; see `deepcuts.runs.legacy`.
        values_of: Name of the training whose weights its formula takes, those that are cut among them, though
            passes go by the model as it is; None for the model's.
    """

    request: ScoreRequest
    batch_size: int
    is_shared: bool = False
    former: Callable[[Any, ScoreRequest], Mapping[str, Any] | None] | None = None
    values_of: str | None = None

    kind = "score"
    title = "scoring"

    def identity(self, piece: Workpiece, before: str) -> Identity:
        """The score and the options that it reads; batches, if it reads any."""
        strategy = self.request.strategy
        content: dict[str, Any] = {
            "version": VERSION,
            "before": before,
            "score": strategy.score,
            "options": changed_options(self.request),
            "prunable": list(piece.parameters),
            "seed": piece.seed,
            "values": self.values_of,
        }
        if strategy.needs_data:  # else there are no batches to depend on, nor passes
            content.update({**piece.material, "batch_size": self.batch_size, **arithmetic(piece)})
        former = self.former if piece.has_former else None
        return Identity(self.kind, said(content), former(piece, self.request) if former else None)

    def do(self, run: Run, before: str) -> None:
        """Make the scores what the next cut goes by."""
        store = run.shared if self.is_shared else run.own
        assert store is not None
        score_all(run.piece, store, before, [self], run.weights_after(self.values_of))
        with store.stage(self.identity(run.piece, before)) as stage:
            done = stage.finished()
            scores = Scores.load(stage.folder / _SCORES).under(self.request.strategy)
        assert done.record is not None
        found = Scored(scores, float(done.record["seconds"]), int(done.record["shared_by"]))
        if run.scored:  # an earlier round's scores are a model's worth of numbers that nobody needs
            run.scored[-1] = replace(run.scored[-1], scores=replace(run.scored[-1].scores, tensors={}))
        run.scored.append(found)
        run.seconds["score"] = run.seconds.get("score", 0.0) + found.seconds
        run.environments["score"] = done.environment

    def together(self, piece: Workpiece, before: str) -> str:
        """Scores of the same model on the same batches can be made in one sweep."""
        return f"score {before} {self.batch_size}"

    def do_all(self, run: Run, before: str, steps: Sequence[Score]) -> None:
        """All of them in one sweep."""
        score_all(run.piece, run.shared, before, steps)

    def work(self, rows: int) -> Work:
        """Its passes over a batch."""
        return self.work_of_all(rows, [self])

    def work_of_all(self, rows: int, steps: Sequence[Score]) -> Work:
        """What several share is counted once."""
        requests = list(dict.fromkeys(step.request for step in steps))
        batches = -(-rows // self.batch_size)
        return Work({"scoring, passes over a batch": count_passes(requests, batches)})

    def preview(self, piece: Workpiece) -> tuple[str, str]:
        """Batches and passes."""
        batches = len(batches_of(piece, [self]))
        passes = count_passes([self.request], batches)
        return "score", f"{batches:,} batches of {self.batch_size}, {passes:,} passes"


def score_all(
    piece: Workpiece,
    store: Store,
    before: str,
    steps: Sequence[Score],
    values: Mapping[str, Tensor] | None = None,
) -> None:
    """Score the model as it is by several strategies in one sweep, into a store.

    Scores that differ in scope, in inversion, or in options that they don't read are one; those that the
    store holds already cost no pass.

    Args:
        piece: The model, at what `before` says.
        store: Where the scores go.
        before: Key of all that the model and its masks depend on.
        steps: What is wanted; they agree in their batch size.
        values: What formulas take for the weights; by default those of the model.
    """
    first: dict[str, tuple[Identity, Score]] = {}
    for step in steps:
        identity = step.identity(piece, before)
        first.setdefault(identity.key, (identity, step))
    with ExitStack() as open_stages:
        stages = {
            key: open_stages.enter_context(store.stage(first[key][0]))
            for key in sorted(first)  # in one order everywhere, so that two runs never wait for each other
        }
        missing = {step: stages[key] for key, (_, step) in first.items() if stages[key].record is None}
        for key, (_, step) in first.items():
            if step not in missing:
                name = step.request.strategy.score
                piece.reporter.line(f"score: {name} reused from {stages[key].folder}")
        by_request = {step.request: step for step in missing}
        for together in fitting(piece.parameters, list(by_request)):
            _sweep(piece, {by_request[request]: missing[by_request[request]] for request in together}, values)


def batches_of(piece: Workpiece, steps: Sequence[Score]) -> Batches:
    """The batches that these read; none for those that need no data."""
    requests = [step.request for step in steps if step.request.strategy.needs_data]
    limits = [request.strategy.limit(request.options) for request in requests]
    longest = None if None in limits else max((limit for limit in limits if limit is not None), default=0)
    return piece.batches(steps[0].batch_size, longest)


def changed_options(request: ScoreRequest) -> dict[str, Any]:
    """The options that a request's strategy reads and that are not at their default."""
    return request.strategy.options_read(request.options).changed


def _sweep(piece: Workpiece, stages: Mapping[Score, Stage], values: Mapping[str, Tensor] | None) -> None:
    started = time.monotonic()
    steps = list(stages)
    batches = batches_of(piece, steps)
    names = ", ".join(dict.fromkeys(step.request.strategy.score for step in steps))
    label = f"score {names}"
    with piece.reporter.bar(label, len(batches)) as advance:
        found = score_requests(
            piece.model,
            _counted(batches, advance),
            list(dict.fromkeys(step.request for step in steps)),
            seed=piece.seed,
            loss_fn=piece.loss,
            prunable=list(piece.parameters),
            distributed=piece.processes.is_distributed,
            values=values,
        )
    seconds = time.monotonic() - started
    piece.reporter.line(f"{label}: {len(batches)} batches of {steps[0].batch_size}  {seconds:.0f} s")
    if piece.processes.is_first:
        for step, stage in stages.items():
            found[step.request].save(stage.folder / _SCORES)
            stage.finish({"seconds": seconds, "shared_by": len(stages)})
    piece.processes.wait()


def _counted(batches: Batches, advance: Advance) -> Iterator[dict[str, Tensor]]:
    for batch in batches:
        yield batch
        advance()
