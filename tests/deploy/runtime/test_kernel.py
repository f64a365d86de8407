from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepcuts.common.errors import InputError
from deepcuts.deploy.runtime import build, kernel
from deepcuts.deploy.runtime.sparse_linear import SparseLinear


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The choice of the kernel is made anew in the test, and again after it."""
    kernel.chosen.cache_clear()
    yield monkeypatch
    kernel.chosen.cache_clear()


def layer_and_inputs(tokens: int = 200) -> tuple[SparseLinear, torch.Tensor, torch.Tensor]:
    """A sparse layer, inputs, and the outputs that a dense one gives."""
    generator = torch.Generator().manual_seed(0)
    linear = nn.Linear(96, 132).requires_grad_(False)
    linear.weight.data = torch.randn(132, 96, generator=generator)
    linear.weight.data *= torch.rand(132, 96, generator=generator) < 0.2
    inputs = torch.randn(tokens, 96, generator=generator)
    return SparseLinear.from_linear(linear), inputs, F.linear(inputs, linear.weight, linear.bias)


def test_the_portable_kernel_is_always_there(kernels: dict[str, kernel.Kernel]) -> None:
    assert list(kernels)[-1] == "portable"


def test_the_best_kernel_is_chosen_unless_one_is_named(
    fresh: pytest.MonkeyPatch, kernels: dict[str, kernel.Kernel]
) -> None:
    best = kernel.chosen()
    assert best is not None
    assert best.name == next(iter(kernels))
    for name in kernels:
        kernel.chosen.cache_clear()
        fresh.setenv(kernel.CHOICE, name)
        assert kernel.chosen().name == name
    kernel.chosen.cache_clear()
    fresh.setenv(kernel.CHOICE, "csr")
    assert kernel.chosen() is None
    fresh.setenv(kernel.CHOICE, "abacus")
    kernel.chosen.cache_clear()
    with pytest.raises(InputError, match=r"abacus.*portable, csr"):
        kernel.chosen()


def test_without_a_library_the_fallback_says_so_once(fresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    original = kernel.load
    fresh.setattr(kernel, "load", lambda: original(tmp_path / "missing.so"))
    layer, inputs, expected = layer_and_inputs()
    with pytest.warns(RuntimeWarning, match="without the compiled kernel"):
        found = layer(inputs)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        layer_and_inputs()[0](inputs)
    kernel.chosen.cache_clear()
    fresh.setenv(kernel.CHOICE, "portable")
    with pytest.raises(InputError, match="no compiled kernel"):
        kernel.chosen()


def test_a_library_from_other_sources_is_not_used(
    kernels: dict[str, kernel.Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "sources_digest", lambda: "others")
    with pytest.raises(OSError, match="built from other sources"):
        kernel.load()


def test_the_packed_form_is_the_same_for_all_instruction_sets(kernels: dict[str, kernel.Kernel]) -> None:
    layer, _, _ = layer_and_inputs()
    packed = [one.arrange(layer.mask_bits, layer.values, (132, 96), "bfloat16") for one in kernels.values()]
    assert all(torch.equal(one, packed[0]) for one in packed)


@pytest.mark.parametrize("threads", [1, 3])
def test_several_python_threads_may_call_at_once(threads: int) -> None:
    layer, inputs, expected = layer_and_inputs()
    wrong = []

    def call() -> None:
        for _ in range(50):
            if not torch.allclose(layer(inputs), expected, atol=1e-4):
                wrong.append(1)

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        callers = [threading.Thread(target=call) for _ in range(4)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    finally:
        torch.set_num_threads(before)
    assert not wrong


FORK = """
import os, sys, torch
sys.path.insert(0, sys.argv[1])
from test_kernel import layer_and_inputs
torch.set_num_threads(3)
layer, inputs, expected = layer_and_inputs()
assert torch.allclose(layer(inputs), expected, atol=1e-4)  # the workers exist now
for _ in range(3):
    child = os.fork()
    if child == 0:
        for _ in range(5):
            assert torch.equal(layer(inputs), layer(inputs))
        os._exit(0 if torch.allclose(layer(inputs), expected, atol=1e-4) else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    assert torch.allclose(layer(inputs), expected, atol=1e-4)
print("survived")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_it_works_in_a_child_after_a_fork() -> None:
    command = [sys.executable, "-c", FORK, str(Path(__file__).parent)]
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.strip() == "survived", done.stderr


@pytest.fixture(scope="session")
def failing(tmp_path_factory: pytest.TempPathFactory, kernels: dict[str, kernel.Kernel]) -> kernel.Kernel:
    """A kernel of a library in which the next piece of work can be made to throw an exception of C++."""
    path = tmp_path_factory.mktemp("failing") / "kernel.so"
    return list(kernel.load(build.build(path, ("-O0", "-DDEEPCUTS_FAILURES"))).values())[-1]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("which", "error", "reason"),
    [
        (1, kernel.KernelMemoryError, "no memory"),
        (2, kernel.KernelError, "the operating system refused"),
        (3, kernel.KernelError, "an unexpected failure"),
    ],
)
def test_an_exception_of_the_library_becomes_an_error(
    which: int, error: type[kernel.KernelError], reason: str, threads: int, failing: kernel.Kernel
) -> None:
    layer, inputs, expected = layer_and_inputs()
    linear = layer.for_kernel(failing)
    heads = torch.ones(2, 3, 5, 16)
    work = {
        "arrange a weight": lambda: failing.arrange(
            layer.mask_bits, layer.values, (layer.out_features, layer.in_features), "float32"
        ),
        "for layers of shapes": lambda: failing.apply([linear], inputs),
        "for the attention of 5 tokens": lambda: failing.attend(heads, heads, heads, None, 0.25, "float32"),
        "for the normalisation of": lambda: failing.add_norm(
            inputs, inputs, torch.ones(96), torch.zeros(96), 1e-5
        ),
    }
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for what, do in work.items():
            failing._library.deepcuts_fail(which)
            with pytest.raises(error, match=f"the compiled kernel failed: {reason}.*{what}"):
                do()
            do()  # and it works again
        torch.testing.assert_close(failing.apply([linear], inputs)[0], expected, rtol=1e-4, atol=1e-4)
    finally:
        torch.set_num_threads(before)


def test_memory_that_there_cannot_be_is_an_error(kernels: dict[str, kernel.Kernel]) -> None:
    """A weight of so many rows needs more than any machine has: std::bad_alloc or std::length_error."""
    layer, _, _ = layer_and_inputs()
    with pytest.raises(MemoryError, match="to arrange a weight of shape"):
        next(iter(kernels.values())).arrange(layer.mask_bits, layer.values, (2**62, 1), "float32")
