from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from deepcuts.common.errors import DeepcutsError
from deepcuts.deploy.bench.memory import Memory, measure_memory, of_this_process
from deepcuts.deploy.bench.ways import REFERENCE, Setting


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell less")
def test_memory_that_is_taken_is_seen() -> None:
    before, _ = of_this_process()
    block = np.ones(64 * 2**20, dtype=np.uint8)
    after, peak = of_this_process()
    assert before is not None
    assert after is not None
    assert peak is not None
    assert after - before == pytest.approx(block.nbytes, rel=0.1)
    assert peak >= after
    del block


def test_the_models_part_is_what_came_after_the_libraries() -> None:
    assert Memory(resident=70, libraries=50, peak=90).model == 20
    assert Memory(resident=None, libraries=None, peak=90).model is None


def test_a_process_that_fails_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(DeepcutsError, match=r"its process failed: .*nothing\.npz"):
        measure_memory(REFERENCE, tmp_path, tmp_path / "nothing.npz", Setting("cpu", 1))
