"""A sparse layer without the compiled kernel: several times slower, but everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from deepcuts.deploy.runtime.kernel import Activation, Precision


def by_pytorch(
    mask_bits: Tensor,
    values: Tensor,
    shape: tuple[int, int],
    bias: Tensor | None,
    precision: Precision,
    activation: Activation | None,
) -> Callable[[Tensor], Tensor]:
    """PyTorch's product of a CSR matrix and a dense one, as what takes inputs and gives outputs.

    Args:
        mask_bits: See `deepcuts.deploy.runtime.SparseLinear`.
        values: ``(kept,)``, float32.
        shape: ``(out_features, in_features)``.
        bias: ``(out_features,)``, float32.
        precision: Of weights and inputs.
        activation: What is applied last.
    """
    kept = np.unpackbits(mask_bits.numpy(), count=math.prod(shape)).reshape(shape)
    rows = np.concatenate([[0], kept.sum(axis=1, dtype=np.int64).cumsum()]).astype(np.int32)
    columns = kept.nonzero()[1].astype(np.int32)
    if precision == "bfloat16":
        values = values.bfloat16().float()
    # 32-bit indices: with them PyTorch multiplies several times faster.
    with torch.inference_mode(False):
        weight = torch.sparse_csr_tensor(
            torch.from_numpy(rows), torch.from_numpy(columns), values, shape, check_invariants=False
        )

    @torch.no_grad()
    def run(inputs: Tensor) -> Tensor:
        if precision == "bfloat16":
            inputs = inputs.bfloat16().float()
        if len(inputs) == 0 or len(columns) == 0:
            outputs = inputs.new_zeros(len(inputs), shape[0])
        else:
            outputs = (weight @ inputs.T).T.contiguous()
        if bias is not None:
            outputs = outputs + bias
        return F.gelu(outputs) if activation == "gelu" else outputs

    return run
