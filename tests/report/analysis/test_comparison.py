from __future__ import annotations

import numpy as np
import pytest
import torch
from models import tiny

from deepcuts import Budget, Masks, score, select
from deepcuts.masks.bits import MaskBits
from deepcuts.report.analysis import count_overlap, density_table, overlap_table, shared_table


@pytest.fixture
def masks() -> dict[str, MaskBits]:
    model = tiny("bert")
    names = ["GlobalRandom", "Random", "GlobalMagWeight"]
    scores = score(model, [], names, seed=0)
    return {name: select(scores[name], Budget.from_density(0.3)).to_bits() for name in names}


def test_every_pair_is_there_at_every_level(masks: dict[str, MaskBits]) -> None:
    rows = overlap_table(masks, heads=2)
    assert {(row["first"], row["second"]) for row in rows} == {
        ("GlobalRandom", "Random"), ("GlobalRandom", "GlobalMagWeight"), ("Random", "GlobalMagWeight"),
    }  # fmt: skip
    pair = [row for row in rows if (row["first"], row["second"]) == ("Random", "GlobalMagWeight")]
    counts = count_overlap(masks["Random"], masks["GlobalMagWeight"])
    levels = {
        level: [row for row in pair if row["level"] == level] for level in {row["level"] for row in pair}
    }
    assert [row["part"] for row in levels["layer"]] == ["layer 0", "layer 1"]
    assert [row["part"] for row in levels["block"]] == [
        "layer 0, attention", "layer 0, feed-forward", "layer 1, attention", "layer 1, feed-forward",
    ]  # fmt: skip
    total = sum(one.weights for one in counts.values())
    assert levels["overall"][0]["weights"] == total
    for level in ("kind", "tensor"):
        assert sum(row["weights"] for row in levels[level]) == total
    values = [one.kept_iou for one in counts.values()]
    assert levels["mean over tensors"][0]["kept_iou"] == pytest.approx(np.mean(values))
    assert levels["minimum over tensors"][0]["kept_iou"] == min(values)
    assert len(levels["head"]) == 16


def test_densities_say_where_a_global_mask_keeps_its_weights(masks: dict[str, MaskBits]) -> None:
    rows = density_table(masks)
    found = Masks.from_bits(masks["GlobalMagWeight"])
    for row in (row for row in rows if row["masks"] == "GlobalMagWeight" and row["level"] == "tensor"):
        assert row["density"] == pytest.approx(float(found[row["part"]].float().mean()))
    overall = {row["masks"]: row["density"] for row in rows if row["level"] == "overall"}
    assert overall == dict.fromkeys(masks, pytest.approx(0.3, abs=1e-3))


def test_what_all_keep_is_shown_beside_chance(masks: dict[str, MaskBits]) -> None:
    rows = shared_table(masks)
    assert (rows[0]["level"], rows[0]["part"]) == ("overall", "all")
    everything = [Masks.from_bits(one) for one in masks.values()]
    kept = sum(int(torch.stack([m[name] for m in everything]).all(0).sum()) for name in everything[0])
    assert rows[0]["kept_by_all"] == kept
    assert sum(row["kept_by_all"] for row in rows[1:]) == kept
