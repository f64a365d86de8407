from __future__ import annotations

import copy
import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from training.watched import PLAN, undropped, watched

from deepcuts.common.errors import InputError
from deepcuts.masks.rewinding import rewind
from deepcuts.runs.job import Job
from deepcuts.training import train
from deepcuts.training.objectives import OBJECTIVES, find_objective, objective

ROWS = 12
WHOLE = replace(PLAN, batch_size=ROWS)  # every step sees all rows, so that their order doesn't matter
NAME = "soft-targets"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return undropped(tmp_path_factory.mktemp("made"), ROWS)


@pytest.fixture
def teacher(made: Job) -> torch.nn.Module:
    """Another model with dropout, in training mode: the Trainer must set both right."""
    found = copy.deepcopy(made.model)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    for module in found.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    return found.train()


@pytest.fixture(scope="module", autouse=True)
def soft_targets() -> Iterator[ModuleType]:
    """The objective's module, loaded as a plugin is; other tests don't know of it."""
    path = Path(__file__).with_name("soft_targets.py")
    spec = importlib.util.spec_from_file_location("soft_targets", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = dict(OBJECTIVES)
    spec.loader.exec_module(module)
    yield module
    OBJECTIVES.clear()
    OBJECTIVES.update(before)


@pytest.fixture
def forgotten() -> Iterator[None]:
    before = dict(OBJECTIVES)
    yield
    OBJECTIVES.clear()
    OBJECTIVES.update(before)


@pytest.mark.parametrize("options", [{}, {"share": 0.9, "temperature": 1.0}, {"layers": 0.5}], ids=str)
def test_an_objective_of_a_teacher_is_minimised(
    made: Job, teacher: torch.nn.Module, tmp_path: Path, options: dict[str, float]
) -> None:
    """As a plain loop does it, in which the formula stands once more."""
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    found, norms, weights = watched(
        made, WHOLE, tmp_path, objective=NAME, objective_options=options, teacher=teacher
    )
    assert teacher.training
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())

    rewind(made.model, made.start)
    student = made.model.train()
    optimizer = torch.optim.Adam(student.parameters(), lr=WHOLE.learning_rate)
    batch = made.task.collate(list(made.task.train.rows))
    share, heat, layers = ({"share": 0.5, "temperature": 2.0, "layers": 0.0, **options}).values()
    with torch.no_grad():
        shown = teacher.eval()(**batch, output_hidden_states=True)
    soft = (shown.logits / heat).softmax(-1)
    for epoch in range(WHOLE.epochs):
        said = student(**batch, output_hidden_states=True)
        against = (soft * (soft.log() - (said.logits / heat).log_softmax(-1))).sum(-1).mean()
        loss = (1 - share) * said.loss + share * heat**2 * against
        real = batch["attention_mask"] == 1
        for own, other in zip(said.hidden_states, shown.hidden_states, strict=True):
            loss = loss + layers * ((own - other)[real] ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in student.parameters()])
        assert norms[epoch] == pytest.approx(float(norm), rel=1e-4)
        assert found.epochs[epoch]["loss"] == pytest.approx(loss.item(), rel=1e-5)
        optimizer.step()
        if epoch + 1 == found.best_epoch:
            for name, value in student.named_parameters():
                if not name.endswith("key.bias"):  # whose gradient is rounding alone
                    torch.testing.assert_close(weights[name], value.detach(), rtol=1e-3, atol=2e-4)


def test_a_teacher_that_counts_nothing_changes_nothing(
    made: Job, teacher: torch.nn.Module, tmp_path: Path
) -> None:
    """Its passes draw no random numbers, and leave the student as it is."""
    for module in made.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.1
    try:
        alone = watched(made, PLAN, tmp_path / "alone")
        options = {"share": 0.0}
        taught = watched(
            made, PLAN, tmp_path / "taught", objective=NAME, objective_options=options, teacher=teacher
        )
    finally:
        for module in made.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    assert alone[1] == taught[1]
    assert all(torch.equal(taught[2][name], value) for name, value in alone[2].items())


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_a_teacher_computes_in_the_precision_of_the_training(
    made: Job, teacher: Any, tmp_path: Path, precision: Any, dtype: torch.dtype
) -> None:
    seen: set[torch.dtype] = set()
    hook = teacher.classifier.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    watched(made, replace(WHOLE, precision=precision), tmp_path, objective=NAME, teacher=teacher)
    hook.remove()
    assert seen == {dtype}


def test_hidden_states_are_made_where_they_are_read_alone(
    made: Job, teacher: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, int]] = []
    entry = OBJECTIVES[NAME]

    def spying(batch: Any, student: Any, shown: Any, options: Any) -> Any:
        sizes.append((len(student.hidden_states), len(shown.hidden_states)))
        return entry.function(batch, student, shown, options)

    monkeypatch.setitem(OBJECTIVES, NAME, replace(entry, function=spying))
    plan = replace(WHOLE, epochs=1)
    for number, layers in enumerate([0.0, 1.0]):
        watched(
            made,
            plan,
            tmp_path / str(number),
            objective=NAME,
            objective_options={"layers": layers},
            teacher=teacher,
        )
    assert sizes == [(0, 0), (3, 3)]  # the embeddings and two layers


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"objective": "nothing"}, ["objective", "nothing", NAME, "task"]),
        ({"objective": NAME}, ["teacher", "None", NAME]),
        ({"teacher": "other"}, ["teacher", "task", "reads none"]),
        ({"objective": NAME, "teacher": "itself"}, ["teacher", "itself", "copy"]),
        ({"objective": NAME, "objective_options": {"share": 2.0}}, ["share", "2.0", "1 at most"]),
        ({"objective": NAME, "objective_options": {"warmth": 2.0}}, ["warmth", "temperature"]),
    ],
)
def test_what_can_not_be_minimised_is_refused(
    made: Job, teacher: torch.nn.Module, tmp_path: Path, given: dict[str, Any], words: list[str]
) -> None:
    models = {"other": teacher, "itself": made.model, None: None}
    given = {**given, "teacher": models[given.get("teacher")]}
    with pytest.raises(InputError) as refused:
        train(made.model, made.task, PLAN, tmp_path, **given)
    assert all(word in str(refused.value) for word in words)


def test_a_loss_that_is_no_mean_is_refused(made: Job, tmp_path: Path, forgotten: None) -> None:
    @objective("a-loss-a-row", formula="-", source="-")
    def by_row(batch: Any, student: Any, teacher: Any, options: Any) -> Any:
        return student.logits.sum(-1)

    with pytest.raises(InputError, match=r"a-loss-a-row.*mean.*\(12,\)"):
        train(made.model, made.task, WHOLE, tmp_path, objective="a-loss-a-row")


def test_a_name_is_registered_once(soft_targets: ModuleType) -> None:
    with pytest.raises(ValueError, match="'task' is registered already"):
        objective("task", formula="-", source="-")(soft_targets.soft_targets)


def test_what_tells_trainings_apart_leaves_out_defaults() -> None:
    assert find_objective("task").changed() == {}
    assert find_objective(NAME).changed({"share": 0.5, "temperature": 3}) == {"temperature": 3.0}
