"""The kernel under AddressSanitizer and UndefinedBehaviorSanitizer, in a driver without Python."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deepcuts.deploy.runtime import build

FLAGS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


def test_no_access_beyond_what_was_given_and_no_undefined_behaviour(tmp_path: Path) -> None:
    try:
        command = build.compiler()
    except build.BuildError as error:
        pytest.skip(str(error))
    (tmp_path / "empty.cpp").write_text("int main() {}\n")
    probe = [*command, *FLAGS, str(tmp_path / "empty.cpp"), "-o", str(tmp_path / "empty")]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{command[0]} has no sanitizers")
    library = build.build(tmp_path / "kernel.so", FLAGS)
    driver = tmp_path / "fuzz"
    source = Path(__file__).with_name("fuzz.cpp")
    link = [*command, "-std=c++17", *FLAGS, "-pthread", f"-I{build.SOURCES}", str(source), str(library)]
    subprocess.run([*link, f"-Wl,-rpath,{tmp_path}", "-o", str(driver)], check=True)
    done = subprocess.run([str(driver), "150"], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    assert done.stdout == "150 cases\n"
