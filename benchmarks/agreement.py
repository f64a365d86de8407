"""Scoring in bf16 and by torch.compile: how long a batch takes, and how far the masks agree with float32."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from benchmarks.shapes import batch_of, device, forward_and_backward, model_of
from benchmarks.timing import Beside
from deepcuts import Budget, Masks, ScoringOptions, score, select
from deepcuts.common.errors import ScoringError
from deepcuts.report.analysis import Counts, count_overlap

DENSITY = 0.147
STRATEGIES = ["LayerMagGrad", "LayerGradCAM", "LayerGradCAMShift"]
OPTIONS = {
    "float32": ScoringOptions(),
    "bf16": ScoringOptions(precision="bf16"),
    "compiled": ScoringOptions(compile=True),
}


def measure_agreement(
    model: PreTrainedModel, batches: Sequence[dict[str, Tensor]], ways: Sequence[str] = tuple(OPTIONS)
) -> dict[str, Any]:
    """Overlap of masks with those of float32, and the time of a batch beside a bare pass in float32.

    Args:
        model: What is scored.
        batches: What it is scored on, by `STRATEGIES` together; all but the first are timed.
        ways: Keys of `OPTIONS`, ``"float32"`` the first.

    Returns:
        Way → the time of a batch, and the seconds of the ``"first_batch"``, which is when compiling happens;
        of all but the first way also ``"kept_iou"``, strategy → share of the weights kept by either mask that
        both keep. ``"chance"`` is that of independent masks.
        What can't be done here has ``"refused"``, the reason, alone.
    """
    found: dict[str, Any] = {}
    exact: dict[str, Masks] = {}
    for name in ways:
        options = OPTIONS[name]
        beside = Beside(batches, partial(forward_and_backward, model))
        try:
            scores = score(model, beside, STRATEGIES, options=options)
        except ScoringError as error:  # there may be nothing that compiles
            found[name] = {"refused": str(error)}
            continue
        masks = {one: select(scores[one], Budget.from_density(DENSITY)) for one in STRATEGIES}
        exact = exact or masks
        overlaps = {one: _overlap(exact[one], masks[one]) for one in STRATEGIES}
        found[name] = {
            **beside.timed().as_json(),
            "first_batch": beside.first,
            "kept_iou": {one: overlap.kept_iou for one, overlap in overlaps.items()},
        }
        found["chance"] = overlaps[STRATEGIES[0]].kept_chance
    del found["float32"]["kept_iou"]
    return found


def random_model(shape: str, tokens: int, turns: int) -> dict[str, Any]:
    """`measure_agreement` of a randomly initialised model on one random batch; on a processor not compiled.

    There, compiling takes most of a minute, and its masks differ from float32's by less than can be seen.
    """
    ways = list(OPTIONS) if torch.cuda.is_available() else ["float32", "bf16"]
    return measure_agreement(model_of(shape), [batch_of(tokens)] * (1 + turns), ways)


def real_model(steps: int = 30, batches: int = 20) -> dict[str, Any]:
    """`measure_agreement` of the pretrained MiniLM of the demo, fine-tuned for a few steps on its task."""
    from deepcuts.models.loading import load_for_task
    from deepcuts.tasks import load_task
    from deepcuts.tasks.encoding import ScoringBatches, encode

    data = load_task("minimal-pairs")
    model, tokenizer = load_for_task("minilm", data.task, 0)
    model.to(device())
    task = encode(data, tokenizer, model, 32)
    train, scored = (
        [{name: value.to(device()) for name, value in batch.items()} for batch in found]
        for found in (ScoringBatches(task, 32, 0, steps), ScoringBatches(task, 16, 1, batches))
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for batch in train:
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return measure_agreement(model, scored)


def _overlap(first: Masks, second: Masks) -> Counts:
    counts = count_overlap(first.to_bits(), second.to_bits()).values()
    return sum(counts, Counts(0, 0, 0, 0))
