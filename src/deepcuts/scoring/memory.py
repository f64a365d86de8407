"""The memory that a sweep takes for scores and statistics, known before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from deepcuts.common.errors import InputError
from deepcuts.scoring.statistics import LayerStatistic
from deepcuts.scoring.strategy import ScoreRequest
from deepcuts.scoring.wanted import Wanted


def planned_memory(parameters: Mapping[str, nn.Parameter], requests: Sequence[ScoreRequest]) -> int:
    """Bytes of what one sweep accumulates, beside the model and its passes.

    Args:
        parameters: What is scored, by name.
        requests: The scores; what they share counts once.
    """
    wanted = list(dict.fromkeys(map(Wanted.of, requests)))
    return 4 * len(wanted) * sum(map(_size, parameters.values())) + sum(
        _statistics(parameters, wanted).values()
    )


def check_memory(parameters: Mapping[str, nn.Parameter], requests: Sequence[ScoreRequest]) -> None:
    """Refuse statistics that don't fit into the memory that is free now, before any work.

    Raises:
        InputError: They don't; the message names the option that their size depends on, if there is one.
    """
    needed = planned_memory(parameters, requests)
    device = next(iter(parameters.values())).device
    free = free_memory(device)
    if free is None or needed <= free:
        return
    for request in requests:
        for kind in request.strategy.formula.statistics:
            if kind.size_option is not None:
                option = kind.size_option
                value = getattr(request.options, option.name)
                raise InputError(option.setting, value, f"it must be less: {_too_much(needed, free, device)}")
    names = ", ".join(dict.fromkeys(str(request.strategy) for request in requests))
    raise InputError("strategy", names, f"it must fit into memory: {_too_much(needed, free, device)}")


def free_memory(device: torch.device) -> int | None:
    """Bytes that can be had on a device; None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    found = [_available(), _left_to_group()]
    return min((one for one in found if one is not None), default=None)


def gibibytes(size: int) -> str:
    """A number of bytes for people: ``"1.5 GiB"``."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**29 else f"{size / 2**20:.0f} MiB"


def _too_much(needed: int, free: int, device: torch.device) -> str:
    return f"statistics and scores take {gibibytes(needed)}, and {gibibytes(free)} are free on {device.type}"


def _size(parameter: nn.Parameter) -> int:
    return parameter.numel()


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
