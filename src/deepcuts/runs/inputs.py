"""What a run was made of: a finished one is only the answer to the same command if that is the same too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepcuts.common.errors import RunFolderError
from deepcuts.runs import run_folder

#: Digest → what it is of, as a message calls it.
_WORDS = {
    "start": "the weights of the model",
    "config": "the configuration of the model",
    "pretrained": "the pretrained weights",
    "train": "the training rows, or the tokens that they become",
    "held_out": "the rows held out of them",
    "dev": "the dev rows, or the tokens that they become",
    "test": "the test rows, or the tokens that they become",
    "task": "the rows of the task",
}


def inputs_of(job: Any) -> dict[str, Any]:
    """Digests of the model and of the tokens of all rows."""
    import transformers

    lessons = job.lessons
    return {
        "start": job.start_digest,
        "config": job.config_digest,
        **({} if job.before is None else {"pretrained": job.before.digest}),
        **{name: lessons[name] for name in ("train", "held_out", "dev") if name in lessons},
        **tests_of(job),
        # What of a configuration is at its default, and left out of the digest, is this version's to say.
        "transformers": transformers.__version__,
    }


def tests_of(job: Any) -> dict[str, Any]:
    """Digest of the tokens of the test rows, which no training and no score depends on; empty without any."""
    return {} if job.task.test is None else {"test": job.task.test.digest}


def check_inputs(folder: Path, job: Any, *, keep_scores: bool = False) -> None:
    """Refuse a finished run that was made of other inputs than the job has now; nothing is changed.

    Args:
        folder: A run folder, finished or not, or nothing.
        job: What is to run in it.
        keep_scores: Whether the run is to hold its scores.

    Raises:
        RunFolderError: Its rows, its model or its tokenizer have changed since; or it kept no scores.
    """
    result = run_folder.finished_result(folder)
    if result is None:
        return
    refuse_changed(folder, [name for name in _WORDS if _differs(name, result, job)], keep_scores=keep_scores)


def refuse_changed(folder: Path, names: Sequence[str], *, keep_scores: bool = False) -> None:
    """Refuse a finished run of inputs some of which have changed.

    Args:
        folder: Its folder.
        names: Of those that have, as a result spells them.
        keep_scores: See `check_inputs`.

    Raises:
        RunFolderError: There is one; or it kept no scores.
    """
    changed = [_WORDS[name] for name in names]
    if changed:
        raise RunFolderError(
            f"output: {str(folder)!r} holds a finished run of other inputs: {' and '.join(changed)} changed "
            "since; name another folder, or replace it with --overwrite"
        )
    if keep_scores and not (folder / run_folder.SCORES).is_file():
        raise RunFolderError(
            f"keep_scores: the finished run in {str(folder)!r} kept none; name another folder, or replace it "
            "with --overwrite"
        )


def _differs(name: str, result: Mapping[str, Any], job: Any) -> bool:
    now = {**inputs_of(job), "task": job.task.data.digest}
    known = result.get("inputs")
    if not isinstance(known, Mapping):  # a result of an earlier version
        parts = {"start": ("model", "start_digest"), "task": ("task", "digest")}
        if name not in parts:
            return False
        outer, inner = parts[name]
        part = result.get(outer)
        return isinstance(part, Mapping) and part.get(inner) not in (None, now[name])
    if name == "config" and known.get("transformers") != now["transformers"]:
        return False
    return name in known and known[name] != now.get(name)
