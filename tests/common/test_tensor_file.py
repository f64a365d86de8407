from __future__ import annotations

import json
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from deepcuts.common import tensor_file
from deepcuts.common.errors import FileFormatError

TENSORS = {
    "b": torch.tensor([1.5, -0.0, float("nan")]),
    "a": torch.arange(6).reshape(2, 3),
    "none": torch.zeros(0, 2),
}
# A number with several spellings in JSON, and text beyond ASCII.
HEADER: dict[str, Any] = {
    "shift": 10.0,
    "std": 1e-05,
    "tiny": 0.30000000000000004,
    "name": "λ",
    "list": [1, None],
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("tensor_file") / "file"
    tensor_file.save(path, "things", TENSORS, HEADER)
    return path.read_bytes()


def load_bytes(folder: Path, content: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    path = folder / "altered"
    path.unlink(missing_ok=True)  # never write into a file that is mapped into memory
    path.write_bytes(content)
    return tensor_file.load(path, "things")


def assert_is_what_was_saved(tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    assert sorted(tensors) == sorted(TENSORS)
    for name, value in tensors.items():
        assert value.dtype is TENSORS[name].dtype
        assert torch.equal(value.nan_to_num(7), TENSORS[name].nan_to_num(7))
        assert value.shape == TENSORS[name].shape
    assert header == {"kind": "things", "format": tensor_file.FORMAT_VERSION, **HEADER}


def test_tensors_and_header_come_back(tmp_path: Path, written: bytes) -> None:
    assert_is_what_was_saved(*load_bytes(tmp_path, written))


def test_the_same_content_gives_the_same_bytes(tmp_path: Path, written: bytes) -> None:
    tensor_file.save(tmp_path / "again", "things", dict(reversed(TENSORS.items())), HEADER)
    assert (tmp_path / "again").read_bytes() == written


def test_folders_are_made(tmp_path: Path) -> None:
    tensor_file.save(tmp_path / "new" / "folder" / "file", "things", TENSORS, HEADER)
    assert_is_what_was_saved(*tensor_file.load(tmp_path / "new" / "folder" / "file", "things"))


def test_tensors_may_need_gradients_or_be_views(tmp_path: Path) -> None:
    storage = torch.arange(6.0).reshape(2, 3).requires_grad_()
    tensor_file.save(tmp_path / "file", "things", {"view": storage.T, "same": storage}, {})
    tensors, _ = tensor_file.load(tmp_path / "file", "things")
    assert torch.equal(tensors["view"], storage.detach().T)
    assert not tensors["view"].requires_grad


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path, written: bytes) -> None:
    for length in range(len(written)):
        with pytest.raises(FileFormatError, match="altered"):
            load_bytes(tmp_path, written[:length])


@pytest.mark.parametrize("more", [b"\0", b"more"])
def test_a_file_with_more_at_its_end_is_refused(tmp_path: Path, written: bytes, more: bytes) -> None:
    with pytest.raises(FileFormatError):
        load_bytes(tmp_path, written + more)


def padding_of(content: bytes) -> range:
    """The positions of the blanks after safetensors' own header, which carry no meaning."""
    end = 8 + int.from_bytes(content[:8], "little")
    return range(len(content[:end].rstrip(b" ")), end)


def refuse(tmp_path: Path, written: bytes, position: int, difference: int) -> None:
    altered = bytearray(written)
    altered[position] ^= difference
    found = None
    with suppress(FileFormatError):
        found = load_bytes(tmp_path, bytes(altered))
    if found:  # another blank in place of a blank: nothing that the file says has changed
        assert position in padding_of(written)
        assert chr(altered[position]).isspace()
        assert_is_what_was_saved(*found)


@pytest.mark.parametrize("difference", [0x01, 0x20, 0x29, 0x80, 0xFF])
def test_a_flipped_byte_is_refused_wherever_it_is(tmp_path: Path, written: bytes, difference: int) -> None:
    for position in range(len(written)):
        refuse(tmp_path, written, position, difference)


@given(position=st.integers(0, 10**6), difference=st.integers(1, 255))
def test_any_change_of_a_byte_is_refused(
    tmp_path: Path, written: bytes, position: int, difference: int
) -> None:
    refuse(tmp_path, written, position % len(written), difference)


@pytest.mark.parametrize(
    ("there", "instead"),
    [(b"10.0", b"10e0"), (b"1e-05", b"1E-05"), (b"0.30000000000000004", b"0.30000000000000003")],
)
def test_another_spelling_of_a_number_is_refused(
    tmp_path: Path, written: bytes, there: bytes, instead: bytes
) -> None:
    assert json.loads(there) == json.loads(instead)
    assert written.count(there) == 1
    with pytest.raises(FileFormatError, match="was altered"):
        load_bytes(tmp_path, written.replace(there, instead))


@given(content=st.binary(max_size=200))
def test_random_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FileFormatError):
        load_bytes(tmp_path, content)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return pytest.fail, ("the pickle was run",)

    with pytest.raises(FileFormatError, match="not a things file"):
        load_bytes(tmp_path, pickle.dumps(Trap()))
    torch.save(TENSORS, tmp_path / "torch.pt")
    with pytest.raises(FileFormatError, match="not a things file"):
        tensor_file.load(tmp_path / "torch.pt", "things")


@pytest.mark.parametrize("text", [None, "", "{", "[]", "null", "3", '"things"', '{"kind": "things"}'])
def test_a_safetensors_file_of_others_is_refused(tmp_path: Path, text: str | None) -> None:
    metadata = None if text is None else {"deepcuts": text}
    save_file({"a": torch.zeros(2)}, tmp_path / "theirs", metadata)
    with pytest.raises(FileFormatError):
        tensor_file.load(tmp_path / "theirs", "things")


def test_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    tensor_file.save(tmp_path / "file", "scores", TENSORS, HEADER)
    with pytest.raises(FileFormatError, match="holds 'scores', not things"):
        tensor_file.load(tmp_path / "file", "things")


def test_a_later_format_is_refused_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as later:
        later.setattr(tensor_file, "FORMAT_VERSION", 2)
        tensor_file.save(tmp_path / "file", "things", TENSORS, HEADER)
        assert_is_what_was_saved(*tensor_file.load(tmp_path / "file", "things"))
    with pytest.raises(FileFormatError, match="has format 2; this version reads format 1"):
        tensor_file.load(tmp_path / "file", "things")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(FileFormatError, match="no such file"):
            tensor_file.load(path, "things")


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, written: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(written)

    def full_disk(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(tensor_file, "save_file", full_disk)
    with pytest.raises(OSError, match="no space left"):
        tensor_file.save(tmp_path / "file", "things", {"a": torch.zeros(2)}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == written


def test_a_header_that_is_no_json_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        tensor_file.save(tmp_path / "file", "things", TENSORS, {"tensor": torch.zeros(1)})
    assert not list(tmp_path.iterdir())
