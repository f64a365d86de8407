"""A training step under masks beside a dense one and other ways to hold a mask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from benchmarks.shapes import batch_of, model_of
from benchmarks.timing import Timed, in_turns
from deepcuts import Budget, Masks, masked, prunable_parameters, score, select

DENSITY = 0.147
#: The ways that need a model of their own.
WAYS = ("dense", "deepcuts", "torch.nn.utils.prune")
GRADIENTS = "gradients masked alone"


def time_training(shape: str, tokens: int, turns: int) -> dict[str, Timed]:
    """Forward, backward and an AdamW step of each."""
    with steppers(shape, batch_of(tokens), [*WAYS, GRADIENTS]) as steps:
        return in_turns(steps, turns)


@contextmanager
def steppers(
    shape: str, batch: dict[str, Tensor], ways: Sequence[str]
) -> Iterator[dict[str, Callable[[], None]]]:
    """Way → one step of a training in this way.

    To mask the gradients alone doesn't hold a mask under weight decay or momentum of before; it is here as
    the least that masking could cost, and trains the dense model.
    """
    with ExitStack() as held:
        steps: dict[str, Callable[[], None]] = {}
        dense: tuple[nn.Module, torch.optim.Optimizer] | None = None
        for way in ways:
            if way == GRADIENTS and dense is not None:
                kept = {name: mask.float() for name, mask in _masks(dense[0]).items()}
                steps[way] = _stepper(*dense, batch, kept)
                continue
            model = model_of(shape).train()
            if way == "torch.nn.utils.prune":
                modules = dict(model.named_modules())
                for name, mask in _masks(model).items():
                    prune.custom_from_mask(modules[name.rpartition(".")[0]], name.rpartition(".")[2], mask)
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
            if way == "dense":
                dense = model, optimizer
            elif way == "deepcuts":
                held.enter_context(masked(model, _masks(model), optimizer))
            steps[way] = _stepper(model, optimizer, batch)
        yield steps


def _masks(model: nn.Module) -> Masks:
    return select(score(model, [], ["Random"])["Random"], Budget.from_density(DENSITY))


def _stepper(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: dict[str, Tensor],
    kept: Mapping[str, Tensor] | None = None,
) -> Callable[[], None]:
    parameters = prunable_parameters(model) if kept else {}

    def step() -> None:
        model(**batch).loss.backward()
        for name, parameter in parameters.items():
            parameter.grad.mul_(kept[name])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step
