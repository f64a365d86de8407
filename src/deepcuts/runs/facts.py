"""What a result says of a job's model, task and inputs."""

from __future__ import annotations

from typing import Any

from deepcuts.runs.inputs import inputs_of
from deepcuts.tasks import baseline


def facts_of(job: Any) -> dict[str, Any]:
    """Model, task, inputs and baseline, each under its name."""
    data, held_out = job.task.data, job.task.held_out
    return {
        "model": {
            "name": job.config.model,
            "class": type(job.model).__name__,
            "architecture": job.model.config.model_type,
            "start_digest": job.start_digest,
        },
        "task": {
            "name": data.task.name,
            "kind": data.task.kind,
            "primary": data.task.primary,
            "source": data.source,
            "digest": data.digest,
            "train_rows": len(data.train),
            "dev_rows": len(data.dev),
            **({"test_rows": len(data.test)} if data.test else {}),
            # On which rows epochs were chosen; all measures but those under ``test`` are dev's.
            "select_on": job.config.select_on,
            "held_out_rows": len(held_out.rows) if held_out else 0,
            "truncated_rows": job.task.truncated,
            "max_length": job.task.length,
            "described": {word.strip(): line for word, line in data.described},
        },
        "inputs": inputs_of(job),
        "baseline": baseline(data.task, data.train, data.dev),
    }
