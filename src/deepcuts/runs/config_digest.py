"""What of a model's configuration tells its results apart."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from torch import nn

from deepcuts.tasks.lengths import KEY as LENGTH_KEY
from deepcuts.tasks.texts import KEY as TEXTS_KEY

# What a model's configuration holds that changes no number, or that its tensors say already.
_SILENT = frozenset(
    {"transformers_version", "_name_or_path", "architectures", "dtype", "torch_dtype", LENGTH_KEY, TEXTS_KEY}
)


def config_digest(model: nn.Module) -> str | None:
    """Digest of a model's configuration, as far as it can change a number; None where it has none.

    What is at the default of its class is left out, as `PreTrainedConfig.to_diff_dict` does.
    """
    config: Any = getattr(model, "config", None)
    if not hasattr(config, "to_diff_dict"):
        return None
    content = {name: value for name, value in config.to_diff_dict().items() if name not in _SILENT}
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
