"""What several runs of one model share: stages that are done once, and those that are done together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deepcuts.common.store import Identity, Store
from deepcuts.runs.config import PruneConfig
from deepcuts.runs.job import Job
from deepcuts.runs.steps import Run, Work, do_steps, walk
from deepcuts.runs.steps.step import SharedStep


@dataclass(frozen=True)
class Part:
    """A shared step of a run; it holds no model.

    Attributes:
        config: The run's.
        rows: How many rows its model learns and is scored from.
        step: The step.
        before: Key of all before it.
        identity: Its identity.
        needs: Identities of the shared steps before it.
        together: The same for parts that can be done together.
    """

    config: PruneConfig
    rows: int
    step: SharedStep
    before: str
    identity: Identity
    needs: tuple[Identity, ...]
    together: str


def shared_parts(job: Job) -> list[Part]:
    """The shared steps of a run, in their order."""
    found: list[Part] = []
    for step, before, identity in walk(job, job.steps):
        if isinstance(step, SharedStep) and step.is_shared:
            assert identity is not None
            needs = tuple(part.identity for part in found)
            together = step.together(job, before)
            found.append(Part(job.config, job.rows, step, before, identity, needs, together))
    return found


def group(parts: Iterable[Part]) -> list[list[Part]]:
    """Each part once, those in one list that can be done together, in the order of their first."""
    groups: dict[str, list[Part]] = {}
    seen: set[str] = set()  # scores that need no data fit into several sweeps
    for part in parts:
        if part.identity.key not in seen:
            seen.add(part.identity.key)
            groups.setdefault(part.together, []).append(part)
    return list(groups.values())


def work_of(parts: Sequence[Part]) -> Work:
    """How much work they are, done together."""
    first = parts[0]
    return first.step.work_of_all(first.rows, [part.step for part in parts])


def do_shared(job: Job, parts: Sequence[Part], store: Store) -> None:
    """Do parts together; what comes before is found in the store, or done.

    Args:
        job: The job of the first of them.
        parts: The parts.
        store: Where they go.
    """
    first = parts[0]
    run = Run(job, store)
    do_steps(run, job.steps, until=first.before)
    first.step.do_all(run, first.before, [part.step for part in parts])
