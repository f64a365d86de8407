"""What tests of jobs share: requests, steps and their identities."""

from __future__ import annotations

from typing import Any

from deepcuts import ScoreRequest, Strategy
from deepcuts.runs.job import Job
from deepcuts.runs.steps import Score


def parse(*names: str) -> list[Strategy]:
    return [Strategy.parse(name) for name in names]


def requests(made: Job, *names: str, **changes: Any) -> list[ScoreRequest]:
    options = made.config.scoring().replace(**changes)
    return [ScoreRequest(strategy, options) for strategy in parse(*names)]


def steps(made: Job, wanted: list[ScoreRequest]) -> list[Score]:
    return [Score(request, made.config.score_batch_size, is_shared=True) for request in wanted]
