"""Agreement of scores without any cut: do two strategies put the weights in the same order?"""

from __future__ import annotations

from deepcuts.common.errors import MismatchError
from deepcuts.scoring.scores import Scores


def rank_agreement(first: Scores, second: Scores) -> dict[str, float]:
    """Spearman's rank correlation of two scores, tensor by tensor; tied scores share their mean rank.

    Args:
        first: Scores.
        second: Scores of the same tensors.

    Returns:
        Parameter name → correlation, -1 to 1; 0 where all scores of a tensor are equal, which is no order.

    Raises:
        MismatchError: Names or shapes differ.
    """
    from scipy.stats import spearmanr

    if {name: value.shape for name, value in first.items()} != {n: v.shape for n, v in second.items()}:
        raise MismatchError("these scores are of different models: names or shapes differ")
    found = {}
    for name, value in first.items():
        one, other = (scores.flatten().cpu().numpy() for scores in (value, second[name]))
        constant = one.size < 2 or one.min() == one.max() or other.min() == other.max()
        found[name] = 0.0 if constant else float(spearmanr(one, other).statistic)
    return found
