"""Where a run starts: at θ0, or at a model that is fine-tuned already, and what follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deepcuts.common.errors import InputError

if TYPE_CHECKING:
    from deepcuts.runs.recipes import Recipe

PRETRAINED, FINETUNED = "pretrained", "finetuned"


def settings_of_start(
    start: str, pretrained: str | None, asked: Mapping[str, Any], recipe: Recipe
) -> dict[str, Any]:
    """The settings that follow from where a run starts.

    Args:
        start: `PRETRAINED` or `FINETUNED`.
        pretrained: What θ0 of a fine-tuned model is called; None for none.
        asked: The settings that are given.
        recipe: The recipe.

    Raises:
        InputError: They contradict it.
    """
    if start == PRETRAINED:
        if pretrained is not None:
            raise InputError("pretrained", pretrained, "it is θ0 of a model with start finetuned")
        return {}
    if asked.get("finetune_epochs"):
        epochs = asked["finetune_epochs"]
        raise InputError("finetune_epochs", epochs, "with start finetuned it is 0; leave it out")
    rewound = asked.get("rewind")
    if pretrained is None and rewound == PRETRAINED:
        raise InputError("rewind", rewound, "with start finetuned it needs pretrained, which is θ0")
    if pretrained is not None and rewound == FINETUNED:
        raise InputError("pretrained", pretrained, "with this rewind it is not read; leave it out")
    names = {option.setting for option in recipe.options}
    found: dict[str, Any] = {"finetune_epochs": 0} if "finetune_epochs" in names else {}
    if "rewind" in names:
        found["rewind"] = FINETUNED if pretrained is None else PRETRAINED
    elif pretrained is not None:
        raise InputError("pretrained", pretrained, f"the recipe {recipe.name!r} never goes back to it")
    return found
