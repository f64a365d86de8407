"""What happens beside a training's steps: masks are held, progress is shown, it may stop early."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from transformers import EarlyStoppingCallback, TrainerCallback

from deepcuts.common.progress import Reporter
from deepcuts.common.wrapped import unwrapped
from deepcuts.masks.holding import HeldMasks
from deepcuts.masks.masks import Masks
from deepcuts.training.epochs import CONSTANT
from deepcuts.training.plan import TrainingPlan


class MaskCallback(TrainerCallback):
    """Keeps cut weights at exactly 0 after every step of whatever optimizer a Trainer runs.

    It holds what the model has at the time: a parameter that was replaced or moved to another device is
    masked as well, and one that is gone is an error.

    Args:
        masks: Masks for some parameters of the model that is trained, or what holds them on it already.

    Raises:
        MismatchError: When training begins: the masks are for another model.
        InvariantError: When training ends: a cut weight is not 0; something else wrote to it.
    """

    def __init__(self, masks: Masks | HeldMasks) -> None:
        self._masks = masks
        self._held = masks if isinstance(masks, HeldMasks) else None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Before the first step."""
        if not isinstance(self._masks, HeldMasks):
            self._held = HeldMasks(unwrapped(kwargs["model"]), self._masks)
        assert self._held is not None
        self._held.apply()

    def on_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """After the optimizer has moved what it moves."""
        if self._held is not None:
            self._held.apply()

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        """After the last step."""
        if self._held is not None:
            self._held.verify()


class ProgressCallback(TrainerCallback):
    """Advances the bar, and says one line an epoch."""

    def __init__(
        self,
        label: str,
        primary: str,
        epochs: int,
        reporter: Reporter,
        advance: Callable[[], None],
        rows: str = "dev",
    ):
        self._label = label
        self._primary = primary
        self._epochs = epochs
        self._reporter = reporter
        self._advance = advance
        self._loss = float("nan")
        self._since = time.monotonic()
        self._rows = rows

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """The bar moves on."""
        self._advance()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **kwargs: Any) -> None:
        """The mean training loss since the last log is kept for the line."""
        self._loss = logs.get("loss", self._loss)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any
    ) -> None:
        """The epoch's line, and one more where the model is as good as a constant."""
        seconds, self._since = time.monotonic() - self._since, time.monotonic()
        self._reporter.line(
            f"{self._label}: epoch {state.epoch:.0f}/{self._epochs}  loss {self._loss:.4f}  "
            f"{self._rows} {self._primary} {metrics[f'eval_{self._primary}']:.4f}"
            f"{' (as good as constant)' if metrics[f'eval_{CONSTANT}'] else ''}  {seconds:.0f} s"
        )
        if metrics[f"eval_{CONSTANT}"] and state.max_steps / 2 <= state.global_step < state.max_steps:
            self._reporter.line(
                f"{self._label}: after {state.global_step:,} of {state.max_steps:,} steps no better than a "
                "constant prediction; a training may leave such a plateau late, or never"
            )


def callbacks_for(
    held: HeldMasks | None,
    plan: TrainingPlan,
    label: str,
    primary: str,
    reporter: Reporter,
    advance: Callable[[], None],
    rows: str,
) -> list[TrainerCallback]:
    """The callbacks of one training; `held` is None where no weight is cut, see `train` for the rest."""
    callbacks: list[TrainerCallback] = [
        ProgressCallback(label, primary, plan.epochs, reporter, advance, rows)
    ]
    if held is not None:
        callbacks.append(MaskCallback(held))
    if plan.patience is not None:
        callbacks.append(EarlyStoppingCallback(plan.patience))
    return callbacks
