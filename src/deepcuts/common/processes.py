"""The processes of a run: one, or those that ``torchrun`` or ``accelerate launch`` started."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed


@dataclass(frozen=True)
class Processes:
    """This process's place among those of the run.

    Attributes:
        rank: Its number, from 0.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def join(cls) -> Processes:
        """Join the group that a launcher announced by environment variables, if one did."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        from accelerate import PartialState

        state = PartialState(cpu=not torch.cuda.is_available())
        return cls(state.process_index, state.num_processes)

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files and talks."""
        return self.rank == 0

    @property
    def is_distributed(self) -> bool:
        """Whether there are several."""
        return self.count > 1

    def wait(self) -> None:
        """Wait until all have come here."""
        if self.is_distributed:
            torch.distributed.barrier()
