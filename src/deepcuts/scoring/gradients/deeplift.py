"""DeepLIFT: what each weight adds to the difference from what the model says of a reference input.

Formula: ``w · g̃`` with ``g̃ = Σ m (x − x_ref)ᵀ`` and multipliers m by the rescale rule. Source: Shrikumar
et al., "Learning important features through propagating activation differences", 2017; the paper's future
work. A bias's input is 1, its reference's 0.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from deepcuts.common.options import Option
from deepcuts.scoring.gradients.registry import Passes, gradient

REFERENCE = Option(
    "reference",
    str,
    "padding",
    "What DeepLIFT compares with: 'padding' in every place, or embeddings of 'zero'.",
    choices=("padding", "zero"),
    title="reference of DeepLIFT",
)


@gradient(
    "DeepLift",
    formula="g̃",
    source="Shrikumar et al., 2017",
    cost="1 pass of twice the rows",
    options=[REFERENCE],
    keeps_weights=True,
)
def deep_lift(passes: Passes) -> AbstractContextManager[None]:
    """The model runs on the batch and its reference; its backward pass goes by the rules."""
    from deepcuts.scoring.differences import differences  # late: it needs torch

    return differences(passes.model, passes.options.reference)
