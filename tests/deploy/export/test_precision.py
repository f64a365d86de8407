from __future__ import annotations

import pytest
import torch
from models import tiny

from deepcuts.common.errors import InputError
from deepcuts.deploy.export.precision import change_precision, dtype_named


def test_every_floating_point_tensor_is_converted() -> None:
    model = tiny("bert")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert change_precision(model, torch.bfloat16) == 0
    for name, tensor in model.state_dict().items():
        assert tensor.dtype is torch.bfloat16
        assert torch.equal(tensor, before[name].bfloat16())


def test_a_weight_that_is_too_large_is_an_error_and_nothing_is_changed() -> None:
    model = torch.nn.Linear(2, 2)
    model.weight.data.fill_(7e4)  # float16 ends at 65504
    with pytest.raises(InputError, match=r"dtype: got 'float16'.*4 weights of 'weight'.*7e\+04"):
        change_precision(model, torch.float16)
    assert model.weight.dtype is torch.float32
    assert change_precision(model, torch.bfloat16) == 0


def test_infinities_and_nan_that_were_there_are_no_overflow() -> None:
    model = torch.nn.Linear(3, 1, bias=False)
    model.weight.data = torch.tensor([[float("inf"), float("nan"), 1.0]])
    change_precision(model, torch.float16)
    assert model.weight.tolist()[0][0] == float("inf")


def test_weights_that_vanish_are_counted() -> None:
    model = torch.nn.Linear(4, 1, bias=False)
    model.weight.data = torch.tensor([[1e-9, -1e-30, 0.0, 1.0]])
    assert change_precision(model, torch.float16) == 2


def test_names_of_types() -> None:
    assert [dtype_named(name) for name in ("fp32", "fp16", "bf16")] == [
        torch.float32,
        torch.float16,
        torch.bfloat16,
    ]
    with pytest.raises(InputError, match=r"dtype: got 'int8', but it must be one of fp32, fp16, bf16"):
        dtype_named("int8")
