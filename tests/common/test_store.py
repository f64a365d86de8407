from __future__ import annotations

import threading
from pathlib import Path

import pytest

from deepcuts.common.environment import environment
from deepcuts.common.errors import FileFormatError, InputError
from deepcuts.common.processes import Processes
from deepcuts.common.store import Identity, Store, stage_key


def test_a_stage_is_found_again_once_it_is_finished_and_not_before(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", Processes())
    with store.stage(Identity("score", {"seed": 0})) as stage:
        assert stage.record is None
        (stage.folder / "half.txt").write_text("half")
    with store.stage(Identity("score", {"seed": 0})) as stage:
        assert stage.record is None
        stage.finish({"seconds": 1.5})
        assert stage.finished().record == {"seconds": 1.5}
        assert stage.finished().environment == environment()
    with Store(tmp_path / "store", Processes()).stage(Identity("score", {"seed": 0})) as stage:
        assert stage.record == {"seconds": 1.5}
    with (
        store.stage(Identity("score", {"seed": 1})) as other,
        store.stage(Identity("train", {"seed": 0})) as third,
    ):
        assert other.record is third.record is None
        assert len({other.folder, third.folder, stage.folder}) == 3


def test_what_a_killed_process_left_in_a_stage_is_gone_when_it_is_taken_again(tmp_path: Path) -> None:
    store = Store(tmp_path, Processes())
    with store.stage(Identity("score", {})) as stage:
        (stage.folder / ".scores.safetensors.0123abcd.tmp").write_text("half")
        (stage.folder / "checkpoints").mkdir()
    with store.stage(Identity("score", {})) as stage:
        assert sorted(path.name for path in stage.folder.iterdir()) == ["checkpoints", "identity.json"]


def test_the_key_depends_on_content_and_not_on_order() -> None:
    assert stage_key("a", {"x": 1, "y": [2]}) == stage_key("a", {"y": [2], "x": 1})
    assert len({stage_key("a", {"x": 1}), stage_key("a", {"x": 2}), stage_key("b", {"x": 1})}) == 3


def test_a_run_that_wants_a_stage_waits_for_the_one_that_makes_it(tmp_path: Path) -> None:
    store = Store(tmp_path, Processes())
    entered, found = threading.Event(), []

    def second() -> None:
        entered.set()
        with Store(tmp_path, Processes()).stage(Identity("score", {})) as stage:
            found.append(stage.record)

    with store.stage(Identity("score", {})) as stage:
        thread = threading.Thread(target=second)
        thread.start()
        entered.wait()
        thread.join(0.2)
        assert thread.is_alive()
        stage.finish({"done": True})
    thread.join()
    assert found == [{"done": True}]


def test_a_stage_is_left_unlocked_after_an_exception(tmp_path: Path) -> None:
    store = Store(tmp_path, Processes())
    with pytest.raises(RuntimeError), store.stage(Identity("score", {})):
        raise RuntimeError
    with store.stage(Identity("score", {})) as stage:
        assert stage.record is None
    store.remove()
    assert not tmp_path.exists()


def test_a_stage_of_an_earlier_version_is_taken_as_it_is_where_there_is_no_other(tmp_path: Path) -> None:
    store, before = Store(tmp_path, Processes()), Identity("score", {"seed": 0, "paths": 10})
    with store.stage(before) as stage:
        stage.finish({"seconds": 1.5})
    now = Identity("score", {}, before.content)
    assert now.key != before.key
    assert now.is_finished(tmp_path)
    with store.stage(now) as found:
        assert found.record == {"seconds": 1.5}
        assert (found.folder, found.key) == (stage.folder, now.key)
    assert not Identity("score", {}).is_finished(tmp_path)
    with store.stage(Identity("score", {})) as other:
        assert other.folder != stage.folder
    with store.stage(now) as found:
        assert (found.folder, found.record) == (other.folder, None)


@pytest.mark.parametrize("part", ["stage", "lock"])
@pytest.mark.parametrize("what", ["a link to a folder", "a link to a file", "a link to nothing", "the other"])
def test_what_lies_in_a_stages_place_and_is_none_is_refused(tmp_path: Path, part: str, what: str) -> None:
    """What is written would otherwise land outside the store, or the work end in an error of the system's."""
    store, identity, theirs = (
        Store(tmp_path / "store", Processes()),
        Identity("score", {}),
        tmp_path / "theirs",
    )
    folder = store.root / f"score-{identity.key}"
    place = folder if part == "stage" else folder.with_name(f".{folder.name}.lock")
    store.root.mkdir()
    theirs.mkdir()
    (theirs / "file").write_text("theirs")
    target = {"a link to a folder": theirs, "a link to a file": theirs / "file"}.get(
        what, tmp_path / "nothing"
    )
    if what != "the other":
        place.symlink_to(target)
    elif part == "stage":
        place.write_text("theirs")
    else:
        place.mkdir()
    with pytest.raises(InputError, match=f"store: got .*{place.name}"), store.stage(identity):
        pytest.fail("it was taken")
    assert [path.name for path in theirs.iterdir()] == ["file"]
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"record": 3}', '{"record": {"a": NaN}}', "[" * 5000]
)
def test_a_record_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path, Processes())
    with store.stage(Identity("score", {})) as stage:
        stage.finish({})
    (stage.folder / "stage.json").write_text(text)
    with (
        pytest.raises(FileFormatError, match=r"stage\.json: can't be read"),
        store.stage(Identity("score", {})),
    ):
        pytest.fail("it was taken")
