"""Which weights are kept: budgets and their allocation, selection by score, masks, holding, rewinding.

A `Budget` says how much is kept; an allocation (`allocations/`, one file each) how that is divided; `select`
makes `Masks` of scores; `masked` holds them while a model trains; `snapshot` and `rewind` bring back earlier
values. It works on any ``nn.Module`` and needs torch alone. The names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepcuts.masks.allocations import Allocation as Allocation
    from deepcuts.masks.allocations import all_allocations as all_allocations
    from deepcuts.masks.allocations import allocation as allocation
    from deepcuts.masks.allocations import allocation_of as allocation_of
    from deepcuts.masks.bits import MaskBits as MaskBits
    from deepcuts.masks.bits import TensorBits as TensorBits
    from deepcuts.masks.bits import count_ones as count_ones
    from deepcuts.masks.budget import Budget as Budget
    from deepcuts.masks.holding import HeldMasks as HeldMasks
    from deepcuts.masks.holding import apply_masks as apply_masks
    from deepcuts.masks.holding import masked as masked
    from deepcuts.masks.holding import verify_masks as verify_masks
    from deepcuts.masks.importances import Importances as Importances
    from deepcuts.masks.masks import Masks as Masks
    from deepcuts.masks.pruned_tensor import PrunedTensor as PrunedTensor
    from deepcuts.masks.rewinding import Snapshot as Snapshot
    from deepcuts.masks.rewinding import rewind as rewind
    from deepcuts.masks.rewinding import snapshot as snapshot
    from deepcuts.masks.selection import planned_counts as planned_counts
    from deepcuts.masks.selection import select as select
    from deepcuts.masks.torch_prune import from_torch_prune as from_torch_prune
    from deepcuts.masks.torch_prune import to_torch_prune as to_torch_prune

_HOMES = {
    "Allocation": "allocations",
    "Budget": "budget",
    "HeldMasks": "holding",
    "Importances": "importances",
    "MaskBits": "bits",
    "Masks": "masks",
    "PrunedTensor": "pruned_tensor",
    "Snapshot": "rewinding",
    "TensorBits": "bits",
    "all_allocations": "allocations",
    "allocation": "allocations",
    "allocation_of": "allocations",
    "apply_masks": "holding",
    "count_ones": "bits",
    "from_torch_prune": "torch_prune",
    "masked": "holding",
    "planned_counts": "selection",
    "rewind": "rewinding",
    "select": "selection",
    "snapshot": "rewinding",
    "to_torch_prune": "torch_prune",
    "verify_masks": "holding",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
