"""Layer-wise relevance propagation: what of the target's logit came through each weight.

Formula: ``w · ĝ`` is the relevance that flows through w. The ε rule in linear layers; ratios of activations
and divisors of normalisations are constants; products are shared in halves; a softmax goes back by its
derivative, or attention's weights are constants too. These leave queries and keys without any relevance,
which can't be cut by it then. Source: Bach et al., 2015; for Transformers Achtibat et al., "AttnLRP", 2024;
for pruning Yeom et al., 2021, and Hatefi et al., 2024.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from deepcuts.common.options import Option
from deepcuts.scoring.gradients.registry import Passes, gradient

EPSILON = Option(
    "epsilon",
    float,
    1e-6,
    "ε of LRP, which keeps small outputs from being divided by.",
    symbol="ε",
    above=0,
)
ATTENTION = Option(
    "attention_relevance",
    str,
    "shared",
    "Of LRP: 'shared' with queries and keys, or 'constant', to values alone.",
    choices=("shared", "constant"),
)


@gradient(
    "LRP",
    formula="ĝ",
    source="Bach et al., 2015; Achtibat et al., 2024",
    options=[EPSILON, ATTENTION],
    keeps_weights=True,
    explains="logit",
)
def lrp(passes: Passes) -> AbstractContextManager[None]:
    """The backward pass of the model goes by the rules; what lies past its output by derivatives."""
    from deepcuts.scoring.relevance import relevance  # late: it needs torch

    options = passes.options
    shares = options.attention_relevance == "shared"
    return relevance(passes.model, options.epsilon, shares_attention=shares)
