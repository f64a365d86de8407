"""Options that several choices read: those of every pass over a batch."""

from __future__ import annotations

from deepcuts.common.errors import InputError
from deepcuts.common.options import Option
from deepcuts.scoring.options import ScoringOptions, declare

DROPOUT = Option("dropout", bool, False, "While scoring.")
PRECISION = Option(
    "precision",
    str,
    "fp32",
    "fp32 or bf16, while scoring.",  # by autocast: weights, gradients, statistics and sums stay in float32
    choices=("fp32", "bf16"),
    setting="score_precision",
)
#: Scores then differ by rounding. It takes a minute or so at the start, and a C++ compiler on a CPU.
COMPILE = Option(
    "compile",
    bool,
    False,
    "Score by torch.compile, but for passes in which something is changed.",
    setting="score_compile",
)
PADDING = Option("padding", bool, False, "Padding counts in the CAM.")
MAX_BATCHES = Option(
    "max_batches",
    int,
    None,
    "Batches at most, one pass.",
    at_least=1,
    setting="score_batches",
    title="batches scored",
)


EXPLAIN = Option(
    "explain",
    str,
    None,
    "What gradients are of: loss, or the target's logit (default: loss; logit for LRP).",
    choices=("loss", "logit"),
)


def _compiles_the_loss(options: ScoringOptions) -> None:
    if options.compile and options.explain == "logit":
        raise InputError("compile", True, "explain must be loss: a target's logit is never compiled")


def _compiles_without_dropout(options: ScoringOptions) -> None:
    if options.compile and options.dropout:
        raise InputError("compile", True, "dropout must be off: compiled code draws other random numbers")


declare([DROPOUT, PRECISION, COMPILE, PADDING, MAX_BATCHES], _compiles_without_dropout)
declare([EXPLAIN], _compiles_the_loss)
