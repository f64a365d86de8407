"""Changed files of every format: read as what they say, or refused in one line, in little memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from crafted import a_file_of_each, peak
from mutator import FORMATS, outcome

#: A format's mutants here; ``make torture`` tries more.
COUNT = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_file_of_each(tmp_path_factory.mktemp("made"))


@pytest.mark.parametrize("name", FORMATS)
def test_mutants(made: Path, tmp_path: Path, name: str) -> None:
    format, reads = FORMATS[name], 0
    right = format.read(made / name, tmp_path / "right")
    for seed in range(COUNT):
        folder = tmp_path / str(seed)
        mutant = format.mutant(made, folder, seed)
        told = outcome(format, mutant, folder)
        assert "\n" not in told, mutant
        if told == "read":
            reads += 1
            if not mutant.is_signed:  # an accident went unseen: then it has changed nothing that is said
                assert format.read(mutant.path, folder) == right, mutant
        else:
            assert str(folder) in told, mutant
            assert not (folder / "out").exists(), mutant
    assert reads < COUNT / 2
    seed = COUNT + 1
    mutant = format.mutant(made, tmp_path / str(seed), seed)
    assert peak(lambda: outcome(format, mutant, tmp_path / str(seed))) < 16e6


def test_the_same_seed_gives_the_same_mutant(made: Path, tmp_path: Path) -> None:
    for name, format in FORMATS.items():
        first, second = (format.mutant(made, tmp_path / f"{name}{number}", 5) for number in (1, 2))
        assert first.what == second.what
