"""The command line in this process: another one takes five seconds to start."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from subprocess import CompletedProcess
from unittest.mock import patch

import torch

from deepcuts.cli import main


def deepcuts(*arguments: object, given: str = "") -> CompletedProcess[str]:
    """Run a command and give its status and what it wrote.

    Args:
        arguments: What stands after ``deepcuts``.
        given: What it finds in standard input.
    """
    command = ["deepcuts", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    status, threads = 0, torch.get_num_threads()
    with (
        patch.object(sys, "argv", command),
        patch.object(sys, "stdin", io.StringIO(given)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            torch.set_num_threads(threads)
    return CompletedProcess(command, status, out.getvalue(), err.getvalue())
