from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcuts.common.errors import InputError
from deepcuts.common.seeds import check_seed, derive_seed


def test_a_derived_seed_is_the_same_on_every_machine() -> None:
    """The first 63 bits that sha256sum prints for the parts, joined by the byte 1f."""
    assert derive_seed(0) == 3456079177858693020
    assert derive_seed(0, "batch", 3) == 5856690332721777116
    assert derive_seed(1, "tensor", "bert.pooler.dense.weight") == 9066767650383165590


@given(st.integers(), st.lists(st.text() | st.integers(), max_size=3))
def test_a_derived_seed_is_one_that_torch_takes(seed: int, parts: list[str | int]) -> None:
    assert 0 <= derive_seed(seed, *parts) < 2**63


def test_parts_tell_seeds_apart() -> None:
    found = [
        derive_seed(seed, *parts) for seed in range(3) for parts in [(), ("a",), ("b",), ("a", 1), (1, "a")]
    ]
    assert len(set(found)) == len(found)


def test_parts_do_not_run_into_each_other() -> None:
    assert derive_seed(1, "ab", "c") != derive_seed(1, "a", "bc")
    assert derive_seed(1, 23) != derive_seed(12, 3)


@pytest.mark.parametrize("seed", [-1, 2**32, 0.0, "0", None, True])
def test_a_seed_that_not_every_generator_takes_is_refused(seed: Any) -> None:
    with pytest.raises(InputError, match=r"^the seed: got .*a whole number from 0 to 4294967295"):
        check_seed(seed, "the seed")


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_any_other_seed_is_taken(seed: int) -> None:
    assert check_seed(seed) == seed
    numpy.random.RandomState(seed)
