from __future__ import annotations

import pytest

from deepcuts.common.errors import DataError, InputError
from deepcuts.tasks import TASKS, builtin, load_task


@pytest.fixture
def pairs(monkeypatch):
    """Stands in for the generator, which has tests of its own; the list holds the seeds asked for."""
    seeds = []

    def minimal_pairs(train, dev, seed, phenomena):
        seeds.append(seed)
        return [(f"they sing {seed}", 1), ("they sings", 0)], [("she sings", 1), ("she sing", 0)]

    monkeypatch.setattr(builtin, "minimal_pairs", minimal_pairs)
    return seeds


def test_the_tasks_are_listed_by_their_names():
    assert list(TASKS) == ["sst2", "cola", "stsb", "minimal-pairs"]
    assert all(task.name == name for name, task in TASKS.items())


def test_glue_tasks_are_loaded_from_their_folder(tmp_path):
    for part in ("train", "dev"):
        (tmp_path / f"{part}.tsv").write_text("sentence\tlabel\nIt works.\t1\nWork it do.\t0\n")
    data = load_task("cola", tmp_path)
    assert data.task is TASKS["cola"]
    assert data.train.targets == (1, 0)


def test_minimal_pairs_are_generated_from_the_seed(pairs):
    data = load_task("minimal-pairs", seed=7)
    assert pairs == [7]
    assert data.task is TASKS["minimal-pairs"]
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
    monkeypatch.setattr(builtin, "minimal_pairs", lambda *given: ([("a", 1)], [("b", 1)]))
    with pytest.raises(DataError, match="every row has the label 'acceptable'"):
        load_task("minimal-pairs")


def test_minimal_pairs_take_no_folder(tmp_path):
    with pytest.raises(InputError, match=r"data: .* is generated and takes no folder"):
        load_task("minimal-pairs", tmp_path)


@pytest.mark.parametrize(
    ("name", "near"),
    [("SST-2", "sst2"), ("sts-b", "stsb"), ("minimal_pairs", "minimal-pairs"), ("COLA", "cola")],
)
def test_an_unknown_task_gets_the_nearest_names(name, near):
    with pytest.raises(InputError) as caught:
        load_task(name)
    assert str(caught.value).startswith(
        f"task: got '{name}', but the tasks are sst2, cola, stsb, minimal-pairs"
    )
    assert f"(did you mean {near}" in str(caught.value)


def test_nothing_is_guessed_when_nothing_is_near():
    with pytest.raises(InputError) as caught:
        builtin.load_task("xyz")
    assert "did you mean" not in str(caught.value)
