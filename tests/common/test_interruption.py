from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from commands import deepcuts

BEGIN = "import os, sys, signal; from deepcuts.common import interruption as i; i.install();"
SENT = {"SIGINT": (130, "interrupted"), "SIGTERM": (143, "ended by SIGTERM")}
BY_SIGNAL = pytest.mark.parametrize("name", SENT)


def python(*arguments: str) -> CompletedProcess[str]:
    # What runs in the background of a script inherits that interruptions are ignored.
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def assert_ended(done: CompletedProcess[str], name: str, kept: str) -> None:
    status, how = SENT[name]
    assert (done.returncode, done.stderr) == (status, f"deepcuts: {how}; {kept}\n")


@BY_SIGNAL
def test_before_anything_has_begun_the_process_ends_at_once(name: str) -> None:
    code = f"{BEGIN} os.kill(os.getpid(), signal.{name}); print('went on')"
    assert_ended(python("-c", code), name, "no file is half-written")


@BY_SIGNAL
def test_a_second_one_ends_what_the_first_one_left(name: str) -> None:
    code = (
        f"{BEGIN} i.begin()\ntry: os.kill(os.getpid(), signal.{name})\n"
        f"except KeyboardInterrupt: os.kill(os.getpid(), signal.{name})\nprint('went on')"
    )
    assert_ended(
        python("-c", code, "prune"),
        name,
        "what is finished is kept; the same command goes on where it stopped",
    )


def test_what_is_ignored_stays_ignored() -> None:
    """As under nohup, or in the background of a script."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        f"{BEGIN} os.kill(os.getpid(), signal.SIGINT); print('went on')"
    )
    assert python("-c", code).stdout == "went on\n"


@BY_SIGNAL
@pytest.mark.parametrize(
    "then",
    [
        "",
        "\nexcept KeyboardInterrupt: raise RuntimeError('a library')",
        "\nexcept KeyboardInterrupt: sys.exit(0)",
    ],
    ids=["as it is", "another error", "another status"],
)
def test_in_a_command_it_is_one_line_whatever_it_was_turned_into(
    tmp_path: Path, name: str, then: str
) -> None:
    sending = f"os.kill(os.getpid(), signal.{name})"
    text = "import os, signal, sys\n" + (f"try: {sending}{then}" if then else sending)
    (tmp_path / "sends.py").write_text(text)
    done = python("-m", "deepcuts", "--plugin", str(tmp_path / "sends.py"), "strategies")
    assert_ended(done, name, "no file is half-written")


@BY_SIGNAL
def test_it_is_seen_where_nothing_can_be_raised(name: str) -> None:
    code = (
        f"{BEGIN} i.begin()\nclass A:\n    def __del__(self): os.kill(os.getpid(), signal.{name})\n"
        "a = A()\ndel a\nprint('went on')"
    )
    assert_ended(python("-c", code), name, "no file is half-written")


@pytest.mark.parametrize("rank", ["1", "7"])
def test_of_the_processes_of_a_launch_the_first_alone_talks(
    rank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", rank)
    done = python("-c", f"{BEGIN} os.kill(os.getpid(), signal.SIGTERM)")
    assert (done.returncode, done.stderr) == (143, "")


def test_standard_output_that_is_full_is_one_line(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "deepcuts", "strategies"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "deepcuts: No space left on device\n")


def test_the_command_ends_so_where_nobody_installed_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("deepcuts.scoring.strategy.strategy_names", interrupted)
    assert deepcuts("strategies").returncode == 130
