"""Text files as lines: of UTF-8, and ended by a line feed or a carriage return alone.

``str.splitlines`` ends lines at form feeds, NEL, U+2028 and others too, which are characters of a text like
any other: lines would be counted otherwise than everywhere else.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from deepcuts.common.errors import DataError

_UTF_16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


def open_text(path: Path) -> IO[str]:
    """Open a file of UTF-8, with or without a byte order mark, for `lines_of`.

    Raises:
        OSError: It can't be opened, or is a device that never ends.
    """
    opened = path.open(encoding="utf-8-sig")
    refuse_endless(opened)
    return opened


def refuse_endless(opened: IO[Any]) -> None:
    """Raise OSError, and close it, if what is opened is a device such as ``/dev/zero``; a terminal ends."""
    mode = os.fstat(opened.fileno()).st_mode
    if stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not opened.isatty() and str(opened.name) != os.devnull):
        opened.close()
        raise OSError(errno.EINVAL, "it is a device, not a file")


def lines_of(opened: Iterable[str], name: str) -> Iterator[str]:
    """The lines of something opened, without their ends; as they come, and of standard input its bytes.

    Args:
        opened: What `open_text` gives, or standard input, whatever encoding Python has taken for it.
        name: How errors call it.

    Raises:
        DataError: It is not UTF-8.
    """
    raw = getattr(opened, "buffer", None)
    is_ours = getattr(opened, "encoding", None) == "utf-8-sig"
    lines = opened if raw is None or is_ours else io.TextIOWrapper(raw, encoding="utf-8-sig")
    try:
        for number, line in enumerate(lines):
            content = line.removesuffix("\n").removesuffix("\r")
            yield content if number else content.removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: {encoding_fault(error)}") from None
    finally:
        if isinstance(lines, io.TextIOWrapper) and lines is not opened:
            lines.detach()  # which would close standard input with it


def decode(content: bytes) -> str:
    """UTF-8, with or without a byte order mark, as text; its line ends stay as they are.

    Raises:
        UnicodeDecodeError: It is none; see `encoding_fault`.
    """
    return content.decode("utf-8-sig")


def encoding_fault(error: UnicodeDecodeError) -> str:
    """What is wrong with bytes that `decode` refused, as the end of a sentence."""
    if error.start == 0 and bytes(error.object).startswith(_UTF_16_OR_32):
        return "is not UTF-8 text but UTF-16 or UTF-32, by its first bytes; save it as UTF-8"
    return f"is not UTF-8 text (byte {error.start})"
