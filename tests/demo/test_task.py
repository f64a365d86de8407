from __future__ import annotations

import pytest

from deepcuts.common.errors import DataError, InputError
from deepcuts.demo import minimal_pairs
from deepcuts.tasks import load_task, named_tasks


@pytest.fixture
def pairs(monkeypatch):
    """Stands in for the generator, which has tests of its own; the list holds the seeds asked for."""
    seeds = []

    def generate(train, dev, seed, phenomena):
        seeds.append(seed)
        return [(f"they sing {seed}", 1), ("they sings", 0)], [("she sings", 1), ("she sing", 0)]

    monkeypatch.setattr(minimal_pairs, "minimal_pairs", generate)
    return seeds


def test_minimal_pairs_are_generated_from_the_seed(pairs):
    data = load_task("minimal-pairs", seed=7)
    assert pairs == [7]
    assert data.task is named_tasks()["minimal-pairs"]
    assert data.task.labels == ("unacceptable", "acceptable")
    assert data.task.primary == "matthews"
    assert data.source == "generated"
    assert data.train.texts == (("they sing 7",), ("they sings",))
    assert data.dev.targets == (1, 0)
    assert load_task("minimal-pairs", seed=8).digest != data.digest


def test_the_real_minimal_pairs_are_the_same_for_the_same_seed():
    data = load_task("minimal-pairs", seed=3)
    assert (len(data.train), len(data.dev)) == (2400, 600)
    assert load_task("minimal-pairs", seed=3).digest == data.digest


def test_minimal_pairs_are_checked_like_any_data(monkeypatch):
    monkeypatch.setattr(minimal_pairs, "minimal_pairs", lambda *given: ([("a", 1)], [("b", 1)]))
    with pytest.raises(DataError, match="every row has the label 'acceptable'"):
        load_task("minimal-pairs")


def test_minimal_pairs_take_no_folder(tmp_path):
    with pytest.raises(InputError, match=r"data: .* is generated and takes no folder"):
        load_task("minimal-pairs", tmp_path)
