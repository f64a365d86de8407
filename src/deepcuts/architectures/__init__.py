"""What encoders are made of: one table of families, and what follows from it.

Which parameters may be cut, and what kind of place each has; the sparse runtime takes what it fuses from the
same table. It works on any ``nn.Module`` and needs torch alone.
"""

from __future__ import annotations

from deepcuts.architectures.families import Architecture, all_architectures, register_architecture
from deepcuts.architectures.parameters import linear_layers, protected_parameters, prunable_parameters
from deepcuts.architectures.places import Place, place_of

__all__ = [
    "Architecture",
    "Place",
    "all_architectures",
    "linear_layers",
    "place_of",
    "protected_parameters",
    "prunable_parameters",
    "register_architecture",
]
