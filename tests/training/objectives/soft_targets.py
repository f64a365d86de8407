"""An objective from outside the package: soft targets and hidden states of a teacher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from deepcuts.common.options import Option
from deepcuts.training.objectives import Pass, objective


@objective(
    "soft-targets",
    formula="(1 − κ) · task + κ · T² · KL(teacher ‖ student) + μ · mean over layers of ‖h_s − h_t‖²",
    source="Hinton et al., 2015",
    options=[
        Option("share", float, 0.5, "share of the teacher", "κ", at_least=0, at_most=1),
        Option("temperature", float, 2.0, "softness of both models' classes", "T", above=0),
        Option("layers", float, 0.0, "weight of the layers' squared difference", "μ", at_least=0),
    ],
    reads_teacher=True,
    reads_hidden_states=lambda values: values["layers"] > 0,
)
def soft_targets(
    batch: Mapping[str, Tensor], student: Pass, teacher: Pass | None, options: Mapping[str, Any]
) -> Tensor:
    assert teacher is not None
    temperature, share = options["temperature"], options["share"]
    divergence = functional.kl_div(
        torch.log_softmax(student.logits / temperature, -1),
        torch.log_softmax(teacher.logits / temperature, -1),
        log_target=True,
        reduction="batchmean",
    )
    loss = (1 - share) * student.loss + share * temperature**2 * divergence
    real = batch["attention_mask"].bool()
    for own, shown in zip(student.hidden_states, teacher.hidden_states, strict=True):
        loss = loss + options["layers"] * (own[real] - shown[real]).square().mean()
    return loss
