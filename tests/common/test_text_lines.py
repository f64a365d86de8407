from __future__ import annotations

import io
from pathlib import Path

import pytest

from deepcuts.common.errors import DataError
from deepcuts.common.text_lines import lines_of, open_text

TEXTS = ["first\u2028one", "a\x85b", "c\x0cd\x0be", "x\x1cy", "last", ""]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lines_end_at_line_feeds_and_carriage_returns_alone(tmp_path: Path, end: str, mark: str) -> None:
    content = (mark + end.join(TEXTS) + end).encode()
    (tmp_path / "file").write_bytes(content)
    with open_text(tmp_path / "file") as opened:
        assert list(lines_of(opened, "file")) == TEXTS
    piped = io.TextIOWrapper(io.BytesIO(content), encoding="latin-1")  # as a locale may have it
    assert list(lines_of(piped, "standard input")) == TEXTS
    assert not piped.buffer.closed


@pytest.mark.parametrize(
    ("content", "message"),
    [("text".encode("utf-16"), "UTF-16"), ("a\xe9\n".encode("latin-1"), r"not UTF-8 text \(byte 1\)")],
)
def test_other_encodings_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(lines_of(io.TextIOWrapper(io.BytesIO(content), errors="surrogateescape"), "standard input"))
