"""A runtime for pruned models on CPUs: their zeros are neither stored nor multiplied. Inference only."""

from __future__ import annotations

from deepcuts.runtime.conversion import sparsify
from deepcuts.runtime.loading import load
from deepcuts.runtime.sparse_linear import SparseLinear

__all__ = ["SparseLinear", "load", "sparsify"]
