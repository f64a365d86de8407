from __future__ import annotations

import pytest

from deepcuts.common.errors import DataError, InputError
from deepcuts.tasks import Split, Task, TaskData, load_task, named, named_tasks, register_task
from deepcuts.tasks.task import Schedule


@pytest.fixture
def own_registry(monkeypatch):
    """Forgets the tasks that a test registers."""
    named_tasks()
    monkeypatch.setattr(named, "_REGISTRY", dict(named._REGISTRY))


def toy(name="toy"):
    return Task(
        name=name,
        kind="classification",
        text_columns=("text",),
        label_column="label",
        labels=("no", "yes"),
        primary="accuracy",
        schedule=Schedule(1, 1, 1e-3),
    )


def test_the_tasks_are_listed_by_their_names():
    tasks = named_tasks()
    assert list(tasks)[:3] == ["sst2", "cola", "stsb"]
    assert "minimal-pairs" in tasks
    assert all(task.name == name for name, task in tasks.items())


def test_glue_tasks_are_loaded_from_their_folder(tmp_path):
    for part in ("train", "dev"):
        (tmp_path / f"{part}.tsv").write_text("sentence\tlabel\nIt works.\t1\nWork it do.\t0\n")
    data = load_task("cola", tmp_path)
    assert data.task is named_tasks()["cola"]
    assert data.train.targets == (1, 0)


def test_a_registered_task_is_loaded_and_checked(own_registry, tmp_path):
    asked = []

    def load(folder, seed):
        asked.append((folder, seed))
        return TaskData(toy(), Split((("a",),), (1,)), Split((("b",), ("c",)), (0, seed)), source="nowhere")

    register_task(toy(), load)
    assert load_task("toy", tmp_path, seed=1).source == "nowhere"
    assert asked == [(tmp_path, 1)]
    with pytest.raises(DataError, match="dev, row 2: label is 2, but allowed are"):
        load_task("toy", seed=2)


def test_a_name_is_registered_once(own_registry):
    with pytest.raises(ValueError, match="'cola' is registered already"):
        register_task(toy("cola"), lambda folder, seed: None)


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
        load_task("xyz")
    assert "did you mean" not in str(caught.value)
