"""The last thing of a run: the dense and the pruned model are measured on the test rows, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from deepcuts.common import tensor_file
from deepcuts.masks.rewinding import rewind
from deepcuts.runs import run_folder
from deepcuts.runs.steps.step import saved_state
from deepcuts.runs.steps.train import Train
from deepcuts.tasks import baseline, measure, why_constant
from deepcuts.training.evaluation import predict

if TYPE_CHECKING:
    from deepcuts.runs.steps import Run


def tested(job: Any, run: Run) -> dict[str, Any]:
    """Measure what the first and the last training left on the test rows; the model ends as the last did.

    Args:
        job: The job.
        run: All of its steps are done.

    Returns:
        What the result says of the test rows: ``rows``, ``baseline``, measures by phase, such as ``dense``
        and ``retrained``, and ``constant``: by phase, why it is no better than a constant. Empty without such
        rows.
    """
    rows, texts = job.task.test, job.task.data.test
    trainings = [step for step in job.steps if isinstance(step, Train)]
    if rows is None or texts is None:
        return {}
    task = job.task.data.task
    said: dict[str, Tensor] = {}
    with run.timed("test"):
        for step in dict.fromkeys((trainings[0], trainings[-1])) if trainings else ():
            rewind(job.model, saved_state(run.trained[step.kind].folder))
            said[step.phase] = predict(job.model, job.task, rows)
    constant = baseline(task, job.task.data.train, texts)
    found = {phase: measure(task, one.numpy(), rows.targets) for phase, one in said.items()}
    why = {
        phase: why_constant(
            task.kind, task.primary, found[phase], constant, len(rows), one.numpy(), rows.targets
        )
        for phase, one in said.items()
    }
    if job.processes.is_first:
        kept = {**said, "targets": job.task.kind.tensor(rows.targets)}
        tensor_file.save(run.run_folder / run_folder.TESTED, "predictions", kept, {"test": rows.digest})
    job.processes.wait()
    return {"rows": len(rows), "baseline": constant, **found, "constant": why}
