from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deepcuts.deploy.runtime import build, kernel


def test_without_a_compiler_the_build_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = tmp_path / "kernel.so"
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(build.BuildError, match="no-such-compiler"):
        build.build(target)
    monkeypatch.setenv("CXX", f"{sys.executable} -c exit(3)")  # there, but it fails
    with pytest.raises(build.BuildError, match="failed"):
        build.build(target)
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(build.BuildError, match=r"no C\+\+ compiler found"):
        build.build(target)
    assert not target.exists()


def test_the_command_line_reports_a_build_that_is_impossible(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert build.main() == 1
    assert "not built: no C++ compiler found" in capsys.readouterr().err


def test_an_instruction_set_that_the_compiler_lacks_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    try:
        build.compiler()
    except build.BuildError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(build, "_INSTRUCTION_SETS", {"avx512": ["-mno-such-instructions"]})
    library = build.build(tmp_path / "kernel.so", ("-O0",))
    assert list(kernel.load(library)) == ["portable"]


def test_the_digest_depends_on_every_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = build.sources_digest()
    for path in build.SOURCES.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    assert build.sources_digest() == before
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        assert build.sources_digest() != before
        path.write_bytes(content)
