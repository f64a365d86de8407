from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deepcuts.deploy.export.byte_codec import compress, decompress, from_gaps, from_planes, to_gaps, to_planes


@given(st.binary(max_size=400))
def test_bytes_come_back(data: bytes) -> None:
    assert decompress(compress(np.frombuffer(data, np.uint8)), len(data)).tobytes() == data


@given(st.integers(0, 3000), st.sampled_from([0.0, 0.001, 0.01, 0.3, 1.0]), st.integers(0, 2**32 - 1))
@example(0, 0.0, 0)
def test_masks_come_back_from_gaps(weights: int, density: float, seed: int) -> None:
    kept = np.random.default_rng(seed).random(weights) < density
    at = weights // 3
    sizes, counts = [at, weights - at], [int(kept[:at].sum()), int(kept[at:].sum())]
    found = from_gaps(to_gaps(kept), sizes, counts)
    assert [one.tolist() for one in found] == [np.packbits(part).tolist() for part in (kept[:at], kept[at:])]


@pytest.mark.parametrize("gap", [0, 1, 254, 255, 256, 509, 510, 511, 1020])
def test_a_long_gap_is_written_with_escapes(gap: int) -> None:
    kept = np.zeros(gap + 3, bool)
    kept[[gap, gap + 1]] = True
    assert to_gaps(kept).tolist() == [255] * (gap // 255) + [gap % 255, 0]
    assert from_gaps(to_gaps(kept), [len(kept)], [2])[0].tolist() == np.packbits(kept).tolist()


def test_gaps_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        from_gaps(np.array([3], np.uint8), [3], [1])
    with pytest.raises(ValueError, match="within a gap"):
        from_gaps(np.array([1, 255], np.uint8), [1000], [1])
    with pytest.raises(ValueError, match="another number"):
        from_gaps(np.array([1], np.uint8), [10**15], [2])  # known before 10**15 bits are asked for


@given(st.integers(0, 50), st.sampled_from([1, 2, 4, 8]), st.integers(0, 2**32 - 1))
def test_numbers_come_back_from_planes(count: int, size: int, seed: int) -> None:
    data = np.random.default_rng(seed).integers(0, 256, count * size).astype(np.uint8)
    planes = to_planes(data, size)
    assert [len(plane) for plane in planes] == [count] * size
    assert all(plane.tolist() == data[byte::size].tolist() for byte, plane in enumerate(planes))
    assert np.array_equal(from_planes(planes), data)


@pytest.mark.parametrize("change", ["cut", "longer", "other"])
def test_a_damaged_stream_is_refused(change: str) -> None:
    data = np.random.default_rng(0).integers(0, 4, 2000).astype(np.uint8)
    stream = compress(data)
    damaged = {
        "cut": stream[:-3],
        "longer": np.concatenate([stream, stream[:2]]),
        "other": np.concatenate([np.full(5, 0xFF, np.uint8), stream]),
    }[change]
    with pytest.raises(ValueError, match=r"stream|invalid|Error"):
        decompress(damaged, 2000)


@pytest.mark.parametrize("size", [0, 1999, 2001, 10**12])
def test_no_other_number_of_bytes_comes_out_of_a_stream(size: int) -> None:
    stream = compress(np.zeros(2000, np.uint8))
    with pytest.raises(ValueError, match=r"stream|can't hold"):
        decompress(stream, size)


@pytest.mark.parametrize("density", [0.36, 0.15, 0.086, 0.041])
def test_a_random_mask_takes_little_more_than_its_entropy(density: float) -> None:
    weights = 1_000_000
    kept = np.random.default_rng(0).random(weights) < density
    share = kept.mean()
    bits = weights * -(share * math.log2(share) + (1 - share) * math.log2(1 - share))
    taken = min(len(compress(to_gaps(kept))), len(compress(np.packbits(kept))))
    assert 0.999 * bits / 8 < taken < 1.02 * bits / 8  # nothing random fits into less
