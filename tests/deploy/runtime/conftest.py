from __future__ import annotations

import os

import pytest

from deepcuts.deploy.runtime import build, kernel


@pytest.fixture(scope="session")
def kernels() -> dict[str, kernel.Kernel]:
    """The compiled kernels that this processor runs, built first where they are missing or out of date."""
    try:
        return kernel.load()
    except OSError:
        pass
    try:
        build.build()
    except build.BuildError as error:
        pytest.skip(f"no compiled kernel: {error}")
    return kernel.load()


@pytest.fixture(params=["avx512bf16", "avx512", "avx2", "portable", "csr"])
def run(
    request: pytest.FixtureRequest, kernels: dict[str, kernel.Kernel], monkeypatch: pytest.MonkeyPatch
) -> str:
    """Each instruction set and the fallback, in turn, as the one that new layers use."""
    name = request.param
    if name != kernel.FALLBACK and name not in kernels:
        pytest.skip(f"this processor or compiler has no {name}")
    monkeypatch.setattr(kernel, "chosen", lambda: kernels.get(name))
    return name


@pytest.fixture(autouse=True)
def compiled(kernels: dict[str, kernel.Kernel]) -> None:
    """Have the kernel built before a test first looks for it."""
    assert kernels
    os.environ.pop(kernel.CHOICE, None)
