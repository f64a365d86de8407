from __future__ import annotations

import logging
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import datasets
import huggingface_hub
import pytest

from deepcuts.common.errors import DataError, InputError
from deepcuts.tasks import Schedule, glue, load_glue

REAL = Path(os.environ.get("DEEPCUTS_GLUE") or Path(__file__).parents[2] / ".." / "shared" / "glue")
needs_glue = pytest.mark.skipif(
    not (REAL / "STS-B" / "dev.tsv").is_file(),
    reason=f"the GLUE tasks are not in {REAL}; DEEPCUTS_GLUE names their folder",
)

# Our own sentences, in the shapes that trip readers up: odd quotes, a trailing space, "NA", commas.
SENTENCES = [('a 5" screen , bright ', 1), ("NA", 0), ('"" what a day', 1), ("null and void ", 0)]
PAIRS = [("A cat sleeps.", 'The "cat naps.', 3.8), ("Rain, rain.", "NA", 0.0), ("One.", "Two.", 5.0)]
HEADERS = {"sst2": "sentence\tlabel", "cola": "sentence\tlabel", "stsb": "sentence1\tsentence2\tscore"}


def rows_of(name):
    return PAIRS if name == "stsb" else SENTENCES


def write_glue(parent):
    for name, folder in glue.FOLDERS.items():
        (parent / folder).mkdir(parents=True)
        for part in ("train", "dev"):
            lines = [HEADERS[name], *("\t".join(map(str, row)) for row in rows_of(name))]
            (parent / folder / f"{part}.tsv").write_bytes(("\n".join(lines) + "\n").encode())
    return parent


def as_hub(name):
    if name == "stsb":
        columns = {"sentence1": 0, "sentence2": 1, "label": 2}
        features = {"sentence1": "string", "sentence2": "string", "label": "float32"}
    else:
        columns, features = {"sentence": 0, "label": 1}, {"sentence": "string", "label": "int64"}
    features = datasets.Features({key: datasets.Value(value) for key, value in features.items()})
    content = {column: [row[i] for row in rows_of(name)] for column, i in columns.items()}
    split = datasets.Dataset.from_dict(content, features=features)
    return datasets.DatasetDict({"train": split, "validation": split, "test": split})


@pytest.fixture
def hub(monkeypatch):
    """Puts our rows where `datasets` would find the Hub's; the list holds what was asked for."""
    asked = []

    def load_dataset(path, name):
        asked.append((path, name))
        return as_hub(name)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(glue, "hub_problem", lambda name, kind: None)
    return asked


def test_schedules_and_measures_are_the_papers():
    assert glue.SST2.schedule == Schedule(3, 8, 1e-5, 16)
    assert glue.COLA.schedule == Schedule(5, 12, 1e-5, 16)
    assert glue.STSB.schedule == Schedule(8, 10, 2e-5, 16)
    assert [task.primary for task in glue.GLUE.values()] == ["accuracy", "matthews", "pearson"]
    assert glue.STSB.output_range == (0, 5)


@pytest.mark.parametrize("name", glue.GLUE)
def test_a_folder_may_be_the_tasks_or_the_one_above(tmp_path, name):
    parent = write_glue(tmp_path / "glue")
    above, own = load_glue(name, parent), load_glue(name, parent / glue.FOLDERS[name])
    assert above.source == str(parent)
    assert own.digest == above.digest
    assert (own.task, own.train, own.dev) == (above.task, above.train, above.dev)
    assert above.train.texts == tuple(row[:-1] for row in rows_of(name))
    assert above.train.targets == tuple(row[-1] for row in rows_of(name))


@pytest.mark.parametrize("name", glue.GLUE)
def test_hub_and_folder_give_the_same_task_rows_and_digest(tmp_path, name, hub):
    there, here = load_glue(name), load_glue(name, write_glue(tmp_path / "glue"))
    assert hub == [("nyu-mll/glue", name)]
    assert there.source == "nyu-mll/glue"
    assert (there.task, there.train, there.dev) == (here.task, here.train, here.dev)
    assert there.digest == here.digest


def test_the_digest_follows_the_content_not_the_place(tmp_path):
    first, second = write_glue(tmp_path / "one"), write_glue(tmp_path / "two")
    digest = load_glue("cola", first).digest
    assert load_glue("cola", second).digest == digest
    path = second / "CoLA" / "train.tsv"
    original = path.read_text()
    path.write_text(original.replace("bright", "Bright"))
    assert load_glue("cola", second).digest != digest
    header, one, two, *rest = original.splitlines(keepends=True)
    path.write_text("".join([header, two, one, *rest]))
    assert load_glue("cola", second).digest != digest


def test_columns_are_found_by_name_as_in_the_release_of_stsb(tmp_path):
    for part in ("train", "dev"):
        rows = ["index\tgenre\tsentence1\tsentence2\tscore", "0\tnews\ta\tb\t1.5", "1\tnews\tc\td\t2"]
        (tmp_path / f"{part}.tsv").write_text("\n".join(rows))
    assert load_glue("stsb", tmp_path).train.targets == (1.5, 2.0)


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("sst2", "fine\t2", "line 3: label is 2, but allowed are 'negative' (id 0), 'positive' (id 1)"),
        ("cola", "fine\tyes", "line 3: label is 'yes', but allowed are 'unacceptable' (id 0)"),
        ("cola", "fine\t", "line 3: label is missing"),
        ("cola", "fine", "line 3: has 1 fields, but the header has 2"),
        ("stsb", "a\tb\t5.5", "line 3: score is 5.5, but it must be a finite number from 0 to 5"),
        ("stsb", "a\tb\tnan", "line 3: score is nan, but it must be a finite number from 0 to 5"),
        ("stsb", "a\tb\tlow", "line 3: score is 'low', but it must be a finite number from 0 to 5"),
    ],
)
def test_a_bad_line_is_named(tmp_path, name, line, words):
    path = write_glue(tmp_path / "glue") / glue.FOLDERS[name] / "dev.tsv"
    lines = path.read_text().splitlines()
    lines[2] = line
    path.write_text("\n".join(lines))
    with pytest.raises(DataError) as caught:
        load_glue(name, tmp_path / "glue")
    assert str(caught.value).startswith(f"{path}, {words}")


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: holds neither CoLA/train.tsv nor train.tsv"):
        load_glue("cola", tmp_path / "nowhere")
    folder = write_glue(tmp_path / "glue") / "CoLA"
    (folder / "dev.tsv").unlink()
    with pytest.raises(DataError, match=r"CoLA/dev.tsv: there is no such file"):
        load_glue("cola", folder)
    (folder / "train.tsv").write_text("a sentence without a header\t1\n")
    with pytest.raises(DataError, match="has no column 'sentence'; its columns are 'a sentence without"):
        load_glue("cola", folder)


def test_the_folder_of_another_task_is_refused(tmp_path, monkeypatch):
    parent = write_glue(tmp_path / "glue")
    with pytest.raises(DataError, match="the folder of another task than sst2, whose is called SST-2"):
        load_glue("sst2", parent / "CoLA")
    monkeypatch.chdir(parent / "CoLA")
    with pytest.raises(DataError, match="the folder of another task"):
        load_glue("sst2", Path())


def test_dev_rows_of_one_class_are_refused(tmp_path):
    path = write_glue(tmp_path / "glue") / "SST-2" / "dev.tsv"
    path.write_text("sentence\tlabel\na\t1\nb\t1\n")
    with pytest.raises(DataError, match="every row has the label 'positive'"):
        load_glue("sst2", tmp_path / "glue")


def test_an_unknown_task_is_refused():
    with pytest.raises(InputError, match="the GLUE tasks are sst2, cola, stsb"):
        load_glue("mrpc")


def test_without_network_and_cache_the_error_says_what_to_do(monkeypatch):
    calls = []

    def load_dataset(path, name):
        calls.append(datasets.config.HF_HUB_OFFLINE)
        raise ConnectionError("Couldn't reach 'nyu-mll/glue' on the Hub\nand more lines")

    def unreachable(self, repo_id, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    with pytest.raises(DataError) as caught:
        load_glue("cola")
    message = str(caught.value)
    assert message.startswith(
        "nyu-mll/glue, cola: can't be loaded from the Hugging Face Hub (no route to host)"
    )
    assert "--data" in message
    assert "CoLA/train.tsv" in message
    assert "network" in message
    assert "\n" not in message
    assert caught.value.__context__ is None
    # One question to the Hub, then only the cache: retrying takes `datasets` half a minute.
    assert calls == [True]
    assert datasets.config.HF_HUB_OFFLINE is False


def test_a_hub_that_answers_but_fails_later_is_reported_too(monkeypatch, hub):
    def load_dataset(path, name):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(DataError, match=r"\(No space left on device\)"):
        load_glue("sst2")


def test_offline_mode_asks_nobody(monkeypatch):
    def fail(self, repo_id, **options):
        raise AssertionError("the Hub was asked")

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", fail)
    monkeypatch.setattr(datasets, "load_dataset", lambda path, name: as_hub(name))
    assert len(load_glue("cola").train) == len(SENTENCES)
    assert datasets.config.HF_HUB_OFFLINE is True


def test_another_data_set_on_the_hub_is_refused(monkeypatch, hub):
    monkeypatch.setattr(datasets, "load_dataset", lambda path, name: as_hub("cola"))
    with pytest.raises(DataError, match="nyu-mll/glue, stsb: has no 'sentence1'"):
        load_glue("stsb")


def test_the_library_is_quiet_meanwhile_and_as_before_afterwards(monkeypatch, hub):
    seen = []

    def load_dataset(path, name):
        seen.append(datasets.are_progress_bars_disabled())
        seen.append(logging.getLogger("datasets").isEnabledFor(logging.WARNING))
        return as_hub(name)

    before = datasets.are_progress_bars_disabled(), logging.getLogger("datasets").level
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    load_glue("cola")
    assert seen == [True, False]
    assert (datasets.are_progress_bars_disabled(), logging.getLogger("datasets").level) == before


@needs_glue
@pytest.mark.parametrize(
    ("name", "rows", "positive"),
    [("sst2", (67349, 872), (37569, 444)), ("cola", (8551, 1043), (6023, 721))],
)
def test_the_real_classifications_have_the_official_counts(name, rows, positive):
    data = load_glue(name, REAL)
    assert (len(data.train), len(data.dev)) == rows
    assert (Counter(data.train.targets)[1], Counter(data.dev.targets)[1]) == positive
    trailing = sum(text.endswith(" ") for (text,) in data.train.texts)
    assert (trailing > 60_000) == (name == "sst2")


@needs_glue
def test_the_real_regression_has_the_official_counts(tmp_path):
    data = load_glue("stsb", REAL)
    assert (len(data.train), len(data.dev)) == (5749, 1500)
    for split, mean, bins in (
        (data.train, 2.701, [891, 882, 982, 1588, 1406]),
        (data.dev, 2.364, [344, 254, 273, 365, 264]),
    ):
        assert sum(split.targets) / len(split) == pytest.approx(mean, abs=5e-4)
        counted = Counter(min(int(target), 4) for target in split.targets)
        assert [counted[i] for i in range(5)] == bins
    shutil.copytree(REAL / "STS-B", tmp_path / "elsewhere")
    assert load_glue("stsb", tmp_path / "elsewhere").digest == data.digest


def test_without_the_extra_the_message_names_it_and_the_way_without(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"nyu-mll/glue, stsb.*deepcuts\[glue\].*--data.*STS-B"):
        load_glue("stsb")
