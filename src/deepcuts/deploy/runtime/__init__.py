"""A runtime for pruned models on CPUs: their zeros are neither stored nor multiplied. Inference only."""

from __future__ import annotations

from deepcuts.deploy.runtime.choices import Choices, choices_of
from deepcuts.deploy.runtime.conversion import sparsify
from deepcuts.deploy.runtime.loading import load
from deepcuts.deploy.runtime.sparse_linear import SparseLinear

__all__ = ["Choices", "SparseLinear", "choices_of", "load", "sparsify"]
