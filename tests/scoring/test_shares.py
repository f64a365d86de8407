"""Processes that share the work, played one after the other, with the sum taken at the end."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scored import Batches, close, same
from transformers import PreTrainedModel

from deepcuts import Scores, ScoringOptions, score
from deepcuts.common.errors import InputError


@pytest.mark.parametrize("world", [2, 5])  # five processes for three batches: two get none
def test_distributed_shares_add_up_to_the_whole(
    bert: PreTrainedModel, batches: Batches, world: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["Random", "LayerMagGrad", "LayerSmoothGradCAM"]
    options = ScoringOptions(paths=2, dropout=True, max_smooth_batches=2)
    whole = score(bert, batches, names, options=options)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: None)
    shares: list[dict[str, Scores]] = []
    for rank in range(world):
        monkeypatch.setattr("deepcuts.scoring.scoring.rank_and_size", lambda rank=rank: (rank, world))
        shares.append(score(bert, batches, names, options=options, distributed=True))
    assert all(same(share["Random"], whole["Random"]) for share in shares)
    for name in names[1:]:
        summed = {n: sum(share[name][n] for share in shares) for n in whole[name]}
        assert close(summed, whole[name])
        assert sum(share[name].batches for share in shares) == whole[name].batches
        assert sum(share[name].examples for share in shares) == whole[name].examples


def test_distributed_all_processes_get_the_sum(
    bert: PreTrainedModel, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes with equal shares: the reduction doubles every sum and count, but not random ones."""
    names = ["Random", "LayerMagGrad"]
    alone = score(bert, batches, names)
    monkeypatch.setattr("deepcuts.scoring.scoring.rank_and_size", lambda: (0, 1))
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: tensor.mul_(2))
    found = score(bert, batches, names, distributed=True)
    assert same(found["Random"], alone["Random"])
    assert same(found["LayerMagGrad"], {n: 2 * v for n, v in alone["LayerMagGrad"].items()})
    assert (found["LayerMagGrad"].batches, found["LayerMagGrad"].examples) == (6, 24)


def test_distributed_in_a_group_of_one_is_the_same_as_alone(
    bert: PreTrainedModel, batches: Batches, tmp_path: Path
) -> None:
    names = ["LayerMagGrad", "Random"]
    alone = score(bert, batches, names)
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        found = score(bert, batches, names, distributed=True)
    finally:
        torch.distributed.destroy_process_group()
    for name in names:
        assert same(found[name], alone[name])
        assert found[name].provenance == alone[name].provenance


def test_distributed_needs_a_process_group(bert: PreTrainedModel, batches: Batches) -> None:
    with pytest.raises(InputError, match=r"distributed: .*initialised first"):
        score(bert, batches, ["LayerMagGrad"], distributed=True)
