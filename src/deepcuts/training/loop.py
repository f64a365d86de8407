"""The Trainer's loop: an objective's mean over a step's rows, however batches and processes divide them."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer

from deepcuts.common.errors import DivergedError, InputError
from deepcuts.tasks.kinds.kind import TaskKind
from deepcuts.tasks.kinds.weighting import weighted_loss
from deepcuts.training.objectives import Objective, Pass

Batch = dict[str, Tensor]


class Loop(Trainer):
    """Hugging Face's Trainer with an objective, whose mean is that of a step's rows.

    A step of a batches on each of n processes of b rows is the step of one batch of a·n·b rows: the same
    loss, gradient and norm of it. The last step of an epoch may have fewer rows, and batches of unequal
    sizes; rows that were repeated to fill it up count nothing. A loss that is not finite ends the training
    where it happens.

    Args:
        objective: What is minimised.
        options: Its options' values.
        teacher: The model that it learns from, on the student's device and in evaluation mode, or None.
        kind: The kind of task: what a model says of a batch, and how far two models are apart in that.
        weights: Weight of each class in the task's loss while training; None for the model's own loss.
        rest: What the Trainer takes.
    """

    def __init__(
        self,
        *,
        objective: Objective,
        options: Mapping[str, Any],
        teacher: nn.Module | None,
        kind: TaskKind,
        weights: Sequence[float] | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        # It takes ``**kwargs`` in a model's forward for a promise to divide by the rows of all batches, and
        # then divides no more; the encoders have them, and their losses are a batch's mean all the same.
        self.model_accepts_loss_kwargs = False
        self._objective = objective
        self._values = options
        self._teacher = teacher
        self._predictions, self._distance = kind.predictions, kind.divergence
        self._asked = {"output_hidden_states": True} if objective.reads_hidden_states(options) else {}
        self._class_weights = weights
        self._weights: deque[float] = deque()

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], None]:
        """The batches of one step on this process, and how much each counts in `compute_loss`."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        processes = self.accelerator.num_processes
        counts = []
        for number, batch in enumerate(batches):
            own = self._own_rows(number) if processes > 1 else len(batch["input_ids"])
            # A batch without a row of its own keeps one, so that all processes have passes alike.
            batches[number] = {name: value[: max(own, 1)] for name, value in batch.items()}
            counts.append(_items(batches[number]) if own else 0)
        total = float(sum(counts))
        if processes > 1:
            total = float(self.accelerator.reduce(torch.tensor(total, device=device), "sum"))
        # The Trainer divides by the number of batches, DistributedDataParallel by that of processes.
        self._weights = deque(count * len(batches) * processes / total for count in counts)
        return batches, None

    def compute_loss(
        self, model: nn.Module, inputs: Batch, return_outputs: bool = False, **kwargs: Any
    ) -> Tensor | tuple[Tensor, Any]:
        """The objective's loss of one batch while training, weighed; the task's own while evaluating."""
        training = model.training
        outputs = model(**inputs, **(self._asked if training else {}))
        loss: Tensor = outputs["loss"]
        if training:
            if self._class_weights is not None:
                weights = torch.tensor(self._class_weights, device=loss.device)
                outputs["loss"] = weighted_loss(self._predictions(outputs), inputs["labels"], weights)
            loss = self._minimised(inputs, self._pass_of(inputs, outputs))
            weight = self._weights.popleft()
            loss = loss if weight == 1 else loss * weight
        # What the Trainer then gathers and hands to the measures is all but the loss.
        return (loss, {"predictions": self._predictions(outputs)}) if return_outputs else loss

    def _minimised(self, inputs: Batch, student: Pass) -> Tensor:
        loss = self._objective.function(inputs, student, self._taught(inputs), self._values)
        if loss.dim() != 0:
            shape = tuple(loss.shape)
            raise InputError("objective", self._objective.name, f"a loss is a mean, but its shape is {shape}")
        if not torch.isfinite(loss):
            raise DivergedError(
                f"the training loss became {loss.item():g} at step {self.state.global_step + 1}; try a lower "
                f"learning rate (now {self.args.learning_rate:g}) or precision fp32; the last good "
                f"checkpoint, if any, is in {self.args.output_dir}"
            )
        return loss

    def _taught(self, inputs: Batch) -> Pass | None:
        if self._teacher is None:
            return None
        # Accelerate computes the student in this precision, and gives its outputs as float32.
        with torch.no_grad(), self.accelerator.autocast():
            outputs = self._teacher(**inputs, **self._asked)
        return self._pass_of(inputs, outputs)

    def _pass_of(self, inputs: Batch, outputs: Any) -> Pass:
        states = outputs.get("hidden_states") or ()
        said = self._predictions(outputs).float()
        if (counted := _counted(inputs)) is not None and said.shape[:-1] == counted.shape:
            said = said[counted]  # padding has nothing to learn from a teacher
        return Pass(outputs["loss"], said, tuple(state.float() for state in states), self._distance)

    def _own_rows(self, number: int) -> int:
        """How many rows of a batch of the step are this process's own.

        Batches are dealt out to the processes in turn. Where the last ones of an epoch lack rows, Accelerate
        fills them up from the epoch's first, which would count twice.
        """
        count, batch = len(self.train_dataset), self.args.train_batch_size
        processes, accumulation = self.accelerator.num_processes, self.args.gradient_accumulation_steps
        rounds = -(-count // (batch * processes))
        steps = -(-rounds // accumulation)
        turn = self.state.global_step % steps * accumulation + number
        first = (turn * processes + self.accelerator.process_index) * batch
        own: int = max(0, min(count - first, batch))
        return own


@contextlib.contextmanager
def teaching(teacher: nn.Module | None, model: nn.Module) -> Iterator[None]:
    """A teacher in evaluation mode on the model's device; afterwards it is as and where it was."""
    if teacher is None:
        yield
        return
    was_training, home = teacher.training, next(teacher.parameters()).device
    teacher.eval().to(next(model.parameters()).device)
    try:
        yield
    finally:
        teacher.train(was_training).to(home)


def _items(batch: Batch) -> int:
    """What a batch's loss is the mean of: rows, or the labels of tokens that are not ignored."""
    counted = _counted(batch)
    return len(batch["input_ids"]) if counted is None else int(counted.sum())


def _counted(batch: Batch) -> Tensor | None:
    """Which tokens have a label, ``(rows, tokens)``; None where labels are of rows."""
    labels = batch.get("labels")
    if labels is None or labels.dim() < 2 or labels.is_floating_point():
        return None
    return labels != _IGNORED


_IGNORED = -100  # PyTorch's label of what no loss is taken of
