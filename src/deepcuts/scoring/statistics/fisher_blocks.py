"""The empirical Fisher information F in blocks along its diagonal, and the diagonal of its inverse.

Formula: ``F = λ · 1 + mean(g_n g_nᵀ)`` over examples n, between every B neighbouring weights of a tensor.
Source: Kurtic et al., "The optimal BERT surgeon", 2022. Their recursion gives the inverse without F; here F
is summed up and inverted at the end, which is the same, and adds up over processes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from deepcuts.common.options import Option
from deepcuts.scoring.options import ScoringOptions
from deepcuts.scoring.statistics.registry import ExampleStatistic, statistic

if TYPE_CHECKING:
    from torch import Tensor

BLOCK_SIZE = Option(
    "block_size",
    int,
    16,  # 64 bytes a weight: BERT-base's 85 million take 5.4 GB
    "Neighbouring weights that OBS takes together; memory grows with it.",
    at_least=1,
)
FISHER_DAMPENING = Option(
    "fisher_dampening", float, 1e-7, "λ, added to the Fisher information of OBS.", symbol="λ", above=0
)

#: Elements of the blocks that are inverted at a time: 32 MiB of float64.
_TOGETHER = 1 << 22


@statistic("fisher_blocks", options=[BLOCK_SIZE, FISHER_DAMPENING])
class FisherBlocks(ExampleStatistic):
    """The sum of g_n g_nᵀ, ``(blocks, B, B)``, and how many examples it is of."""

    size_option = BLOCK_SIZE

    def __init__(self, parameter: Tensor, options: ScoringOptions) -> None:
        import torch  # late: a command's help should not wait for it

        self._size, self._dampening = options.block_size, options.fisher_dampening
        blocks = -(-parameter.numel() // self._size)
        self.state = {
            "sum": torch.zeros(blocks, self._size, self._size, device=parameter.device),
            "count": torch.zeros((), dtype=torch.float64, device=parameter.device),
        }

    @classmethod
    def memory(cls, shape: Sequence[int], options: ScoringOptions) -> int:
        """B numbers a weight."""
        size = int(options.block_size)
        return 4 * -(-math.prod(shape) // size) * size**2

    @classmethod
    def working(cls, shape: Sequence[int], options: ScoringOptions) -> int:
        """Some blocks, their roots and inverses in float64, and the result."""
        size = int(options.block_size)
        blocks = -(-math.prod(shape) // size)
        return 4 * 8 * min(blocks, max(1, _TOGETHER // size**2)) * size**2 + 4 * math.prod(shape)

    def update(self, gradients: Tensor) -> None:
        """Add the products of some examples' gradients."""
        blocks = self._blocks(gradients.reshape(len(gradients), -1))  # (examples, blocks, B)
        self.state["sum"].baddbmm_(blocks.permute(1, 2, 0), blocks.permute(1, 0, 2))
        self.state["count"] += len(gradients)

    def compute(self, parameter: Tensor) -> Tensor:
        """The diagonal of F⁻¹, shaped like the parameter."""
        import torch  # late, as above

        found = [
            torch.cholesky_inverse(torch.linalg.cholesky(fisher)).diagonal(dim1=1, dim2=2).float()
            for fisher in self._fisher()
        ]
        return torch.cat(found).flatten()[: parameter.numel()].reshape(parameter.shape)

    def updated(self, value: Tensor, mask: Tensor) -> Tensor:
        """The kept weights that make up best for the cut ones: ``w_K + F_KK⁻¹ F_KQ w_Q``; 0 where cut."""
        import torch  # late, as above

        values = self._blocks(value.reshape(1, -1).double())[0]  # (blocks, B)
        kept = self._blocks(mask.reshape(1, -1))[0]
        found, start = [], 0
        for fisher in self._fisher():
            here = slice(start, start + len(fisher))
            keeps, held = kept[here], values[here]
            missing = (fisher @ held.masked_fill(keeps, 0.0)[:, :, None]).squeeze(2).masked_fill(~keeps, 0.0)
            both = keeps[:, :, None] & keeps[:, None, :]
            system = torch.where(
                both, fisher, torch.eye(self._size, dtype=fisher.dtype, device=fisher.device)
            )
            change = torch.linalg.solve(system, missing[:, :, None]).squeeze(2)
            found.append((held + change).masked_fill(~keeps, 0.0))
            start = here.stop
        return torch.cat(found).flatten()[: value.numel()].reshape(value.shape).to(value.dtype)

    def _blocks(self, flat: Tensor) -> Tensor:
        """``(rows, weights)`` as ``(rows, blocks, B)``, the last filled up with zeros."""
        from torch.nn.functional import pad  # late, as above

        return pad(flat, (0, -flat.shape[1] % self._size)).reshape(len(flat), -1, self._size)

    def _fisher(self) -> Iterator[Tensor]:
        """F, some blocks at a time, float64."""
        count = self.state["count"].clamp_min(1)
        together = max(1, _TOGETHER // self._size**2)
        for some in self.state["sum"].split(together):  # type: ignore[no-untyped-call]
            fisher = some.double() / count
            fisher.diagonal(dim1=1, dim2=2).add_(self._dampening)
            yield fisher
