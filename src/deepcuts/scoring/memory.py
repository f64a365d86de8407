"""The memory that a sweep takes for scores and statistics, known before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import nn

from deepcuts.common.errors import InputError
from deepcuts.scoring.examples import held_at_a_time
from deepcuts.scoring.statistics import LayerStatistic
from deepcuts.scoring.strategy import ScoreRequest
from deepcuts.scoring.wanted import Wanted


@dataclass(frozen=True)
class PlannedMemory:
    """What scoring takes at its peak, in bytes, beside the model and what its passes keep of layers.

    Attributes:
        scores: A number a weight of each score: sums over batches, or importances.
        statistics: What is accumulated over all batches.
        gradients: Gradients that are there at one time, and the weights that a gradient's context puts aside.
        working: What is made for a tensor while its statistics are computed.
        updates: New values of kept weights, and those before, where a cut gives them some.
    """

    scores: int
    statistics: int
    gradients: int
    working: int
    updates: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.scores + self.statistics + self.gradients + self.working + self.updates

    def __str__(self) -> str:
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        listed = ", ".join(f"{name} {gibibytes(size)}" for name, size in parts.items() if size >= 2**20)
        return gibibytes(self.total) + (f" ({listed})" if listed else "")


def planned_memory(
    parameters: Mapping[str, nn.Parameter], requests: Sequence[ScoreRequest], *, updates: bool = False
) -> PlannedMemory:
    """The memory that one sweep takes, and the updates after it, by what statistics and gradients declare.

    Args:
        parameters: What is scored, by name.
        requests: The scores; what they share counts once.
        updates: Whether kept weights are then given the new values that a criterion has for them. These are
            made from the statistics again while the scores are there.
    """
    wanted = list(dict.fromkeys(map(Wanted.of, requests)))
    sizes = [parameter.numel() for parameter in parameters.values()]
    return PlannedMemory(
        scores=4 * len(wanted) * sum(sizes),
        statistics=sum(_statistics(parameters, wanted).values()),
        gradients=max((_gradients(one, sizes) for one in wanted), default=0),
        working=max((_working(one, parameters) for one in wanted), default=0),
        updates=8 * sum(sizes) if updates else 0,
    )


def check_memory(
    parameters: Mapping[str, nn.Parameter], requests: Sequence[ScoreRequest], *, updates: bool = False
) -> None:
    """Refuse scores that don't fit into the memory that is free now, before any work.

    Args:
        parameters: See `planned_memory`.
        requests: Likewise.
        updates: Likewise.

    Raises:
        InputError: They don't; the message names the option that their size depends on, if there is one.
    """
    needed = planned_memory(parameters, requests, updates=updates)
    device = next(iter(parameters.values())).device
    free = free_memory(device)
    if free is None or needed.total <= free:
        return
    for request in requests:
        for kind in request.strategy.formula.statistics:
            if kind.size_option is not None:
                option = kind.size_option
                value = getattr(request.options, option.name)
                raise InputError(option.setting, value, f"it must be less: {_too_much(needed, free, device)}")
    names = ", ".join(dict.fromkeys(str(request.strategy) for request in requests))
    raise InputError("strategy", names, f"it must fit into memory: {_too_much(needed, free, device)}")


def fitting(
    parameters: Mapping[str, nn.Parameter], requests: Sequence[ScoreRequest]
) -> list[list[ScoreRequest]]:
    """Scores in as few sweeps as memory has room for now, in their order; one of each at the least."""
    free = free_memory(next(iter(parameters.values())).device)
    found: list[list[ScoreRequest]] = []
    for request in requests:
        together = [*found[-1], request] if found else []
        if together and (free is None or planned_memory(parameters, together).total <= free):
            found[-1] = together
        else:
            found.append([request])
    return found


def free_memory(device: torch.device) -> int | None:
    """Bytes that can be had on a device; None where the system does not tell."""
    if device.type == "cuda":
        # What PyTorch holds back of what was freed can be had as well.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    found = [_available(), _left_to_group()]
    return min((one for one in found if one is not None), default=None)


def gibibytes(size: int) -> str:
    """A number of bytes for people: ``"1.5 GiB"``."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**29 else f"{size / 2**20:.0f} MiB"


def _too_much(needed: PlannedMemory, free: int, device: torch.device) -> str:
    return f"scoring takes {needed}, and {gibibytes(free)} are free on {device.type}"


def _gradients(wanted: Wanted, sizes: Sequence[int]) -> int:
    """Gradients that are there at one time: one tensor's where they are used as they come, else all."""
    if not wanted.criterion.reads_gradient:
        return 0
    gradient = wanted.gradient
    if not gradient.keeps_weights:  # its weights are put aside meanwhile
        found = 8 * sum(sizes)
    elif gradient.passes(wanted.options) > 1:
        found = 4 * sum(sizes) + 4 * max(sizes)
    else:
        found = 8 * max(sizes)
    if not wanted.criterion.reads_examples:
        return found
    # Two examples' are compared with each alone at first; later some examples' of one tensor are there.
    return max(found, 8 * sum(sizes) + 4 * max(sizes), 3 * held_at_a_time(max(sizes)))


def _working(wanted: Wanted, parameters: Mapping[str, nn.Parameter]) -> int:
    """What computing statistics, and the formula, takes for the greatest tensor."""
    largest = max(parameter.numel() for parameter in parameters.values())
    return 8 * largest + sum(
        max(kind.working(tuple(parameter.shape), wanted.options) for parameter in parameters.values())
        for kind in wanted.criterion.statistics
    )


def _statistics(
    parameters: Mapping[str, nn.Parameter], wanted: Sequence[Wanted]
) -> dict[tuple[object, ...], int]:
    """Bytes of every statistic, those that several scores share once."""
    found: dict[tuple[object, ...], int] = {}
    for one in wanted:
        for kind in one.criterion.statistics:
            values = tuple(getattr(one.options, option.name) for option in kind.options)
            source = "" if issubclass(kind, LayerStatistic) else one.gradient.name
            found[kind.name, values, source] = sum(
                kind.memory(tuple(parameter.shape), one.options) for parameter in parameters.values()
            )
    return found


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:  # not Linux
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return 1024 * int(found[0]) if found else None


def _left_to_group() -> int | None:
    """What a container's limit leaves; its file caches would be given back."""
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        cached = [line.split()[1] for line in (group / "memory.stat").read_text().splitlines()
                  if line.startswith("inactive_file ")]  # fmt: skip
    except OSError:
        return None
    return None if limit == "max" else int(limit) - int(used) + sum(map(int, cached))
