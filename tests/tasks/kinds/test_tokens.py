"""A tag for each word: read from every form of file, measured as by seqeval, in every command."""

from __future__ import annotations

import json
import random
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from every_command import call, check_every_command, prune
from hypothesis import given, settings
from hypothesis import strategies as st
from models import tiny
from runs import ANIMALS, PLACES, save_over, tiny_model_folder
from seqeval.metrics import accuracy_score, f1_score
from transformers import AutoModelForTokenClassification, BertTokenizerFast

from deepcuts.common.errors import DataError, InputError, ModelError
from deepcuts.models.loading import load_for_task
from deepcuts.models.purpose import kind_of_config
from deepcuts.tasks import Split, TaskData, baseline, kind_named, load_files
from deepcuts.tasks.kinds.kind import PADDING
from deepcuts.tasks.resampling import draw_counts
from deepcuts.tasks.words import bio_tags

KIND = kind_named("tokens")
SENTENCES = [
    (["Ada", "Lovelace", "met", "U.S.", "men"], ["B-per", "I-per", "O", "B-loc", "O"]),
    (["no", "one"], ["O", "O"]),
    (["in", "Rome"], ["O", "B-loc"]),
]
LABELS = ("O", "B-loc", "I-loc", "B-per", "I-per")


def json_lines(folder: Path, rows: list[tuple[Any, Any]], name: str = "train") -> Path:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"words": words, "tags": tags}) + "\n" for words, tags in rows))
    return path


def load(
    path: Path, dev: Path | None = None, text: str = "words", label: str = "tags", **more: Any
) -> TaskData:
    return load_files(path, dev or path, [text], label, **more)


def written(rows: list[tuple[list[str], list[str]]], between: str, end: str) -> str:
    return end.join(
        "".join(f"{word}{between}x{between}{tag}\n" for word, tag in zip(*row, strict=True)) for row in rows
    )


def test_every_form_of_file_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text(written(SENTENCES, "\t", "\n"))
    (tmp_path / "b.conll").write_text("-DOCSTART- -X- O\n\n" + written(SENTENCES, " ", "\t\n\n") + "\r\n")
    lines = [
        "".join(
            f"{i}\t{word}\t_\t{tag}{6 * chr(9) + '_'}\n"
            for i, (word, tag) in enumerate(zip(*row, strict=True), 1)
        )
        for row in SENTENCES
    ]
    lines[0] = "# text = …\n1-2\tAda\t_\tX\t\t\t\t\t\t_\n1.1\tno\t_\tX\t\t\t\t\t\t_\n" + lines[0]
    (tmp_path / "c.conllu").write_text("\n".join(lines))
    found = [
        load(json_lines(tmp_path, SENTENCES)),
        load(tmp_path / "a.conll", text="token", label="tag"),
        load(tmp_path / "b.conll", text="1", label="3"),
        load(tmp_path / "c.conllu", text="form", label="upos"),
    ]
    for data in found:
        assert (data.task.kind, data.task.primary, data.task.labels) == ("tokens", "entity_f1", LABELS)
        assert data.train.texts == (("Ada Lovelace met U.S. men",), ("no one",), ("in Rome",))
        assert data.train.targets[2] == ((0, 2, 0), (3, 7, 1))
        assert data.digest == found[0].digest
    text, target = found[0].train.texts[0][0], found[0].train.targets[0]
    assert [text[start:end] for start, end, _ in target] == SENTENCES[0][0]
    assert "BIO tags" in str(found[0].described)
    assert "9 words, 'loc' 2, 'per' 1" in str(found[0].described)


def test_plain_tags_are_measured_by_accuracy_alone(tmp_path: Path) -> None:
    data = load(json_lines(tmp_path, [(["a", "b", "c"], ["X", "Y", "Y"]), (["a", "c"], ["X", "Y"])]))
    assert (data.task.labels, data.task.primary) == (("X", "Y"), "token_accuracy")
    assert baseline(data.task, data.train, data.dev) == {"token_accuracy": 0.6}  # Y for every word


@pytest.mark.parametrize(
    ("rows", "dev", "message"),
    [
        ([(["a", "b"], ["B-x", "S-x"]), (["a"], ["O"])], None, "'S-x' beside BIO tags, which are O, and B-"),
        ([(["a", "b"], ["O", "O"]), (["a"], ["O"])], None, "at least two tags are needed.*only the tag 'O'"),
        ([*SENTENCES, ([], [])], None, "train.jsonl, line 4: words holds no words"),
        ([*SENTENCES, (["a", " "], ["O", "O"])], None, "line 4: words holds ' ', but every word must be"),
        (SENTENCES, [(["a"], ["B-org"]), *SENTENCES], "line 1: tags names 'B-org', but allowed are"),
        (SENTENCES, [(["a"], ["O", "O"]), *SENTENCES], "line 1: tags is a list of 2, but it must have"),
        (SENTENCES, [(["a"], None), *SENTENCES], "line 1: tags is missing"),
        (SENTENCES, [(["a"], "O"), *SENTENCES], "line 1: tags is 'O', but it must be a list of tags"),
        (SENTENCES, [(["a"], ["O"])], "dev.jsonl: no word has another tag than O: nothing can be measured"),
    ],
)  # fmt: skip
def test_rows_that_can_t_be_tagged_are_named(tmp_path: Path, rows: Any, dev: Any, message: str) -> None:
    train = json_lines(tmp_path, rows)
    with pytest.raises(DataError, match=message):
        load(train, json_lines(tmp_path, dev, "dev") if dev else None)


def test_files_of_another_form_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("a\tO\n\nb\tO\tO\n")
    with pytest.raises(DataError, match=r"a.conll, line 3: has 3 columns, but the first line has 2"):
        load(tmp_path / "a.conll", text="token", label="tag")
    (tmp_path / "b.conll").write_text("a\nb\n")
    with pytest.raises(DataError, match=r"b.conll, line 1: has 1 columns, but at least 2 are needed"):
        load(tmp_path / "b.conll", text="token", label="tag")
    (tmp_path / "c.conllu").write_text("# only\n1\tword\n")
    with pytest.raises(DataError, match=r"c.conllu, line 2: has 2 columns, but CoNLL-U has 10"):
        load(tmp_path / "c.conllu", text="form", label="upos")
    rows = [{"words": words, "more": words, "tags": tags} for words, tags in SENTENCES]
    (tmp_path / "d.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match="it must name one column, which holds words"):
        load_files(tmp_path / "d.json", tmp_path / "d.json", ["words", "more"], "tags")


@given(st.integers(1, 3), st.integers(1, 8), st.integers(0, 2**31))
@settings(max_examples=40)
def test_measures_are_those_of_seqeval(types: int, rows: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    names = bio_tags([f"B-{'abc'[index]}" for index in range(types)])
    longest = 6
    targets = generator.integers(0, len(names), (rows, longest))
    targets[generator.random((rows, longest)) < 0.3] = PADDING
    targets[:, 0] = generator.integers(0, len(names), rows)  # a word at least
    right = np.where(targets == PADDING, 0, targets)
    said = np.where(
        generator.random((rows, longest)) < 0.6, right, generator.integers(0, len(names), right.shape)
    )
    counts = draw_counts(rows, 3, seed).astype(float)
    logits = np.eye(len(names))[said]
    found = KIND.measure(logits, targets, counts, ["entity_f1", "token_accuracy"])
    ragged = KIND.measure(logits, [list(row) for row in targets], counts, ["entity_f1"])
    assert np.array_equal(ragged["entity_f1"], found["entity_f1"])

    def tags(ids: Any, row: int) -> list[str]:
        return [names[tag] for tag, wanted in zip(ids[row], targets[row], strict=True) if wanted != PADDING]

    for number, row_counts in enumerate(counts):
        drawn = np.repeat(np.arange(rows), row_counts.astype(int))
        wanted, predicted = [tags(targets, row) for row in drawn], [tags(said, row) for row in drawn]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert found["entity_f1"][number] == pytest.approx(f1_score(wanted, predicted))
            assert found["token_accuracy"][number] == pytest.approx(accuracy_score(wanted, predicted))


def tokenizer_of(folder: Path, *words: str) -> BertTokenizerFast:
    (folder / "vocab.txt").write_text("\n".join(["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", *words]))
    return BertTokenizerFast(str(folder / "vocab.txt"))


def test_only_the_first_token_of_a_word_has_its_tag(tmp_path: Path) -> None:
    tokenizer = tokenizer_of(tmp_path, "fox", "##hound", "u", ".", "s", "no", "one", "met")
    path = json_lines(
        tmp_path, [(["foxhound", "met", "U.S.", "one"], ["B-x", "O", "B-y", "O"]), (["no"], ["O"])]
    )
    data = load(path)
    rows, cut = KIND.encode(data.task, data.train, tokenizer, 16)
    assert tokenizer.convert_ids_to_tokens(rows[0]["input_ids"]) == [
        "[CLS]", "fox", "##hound", "met", "u", ".", "s", ".", "one", "[SEP]"
    ]  # fmt: skip
    none = PADDING
    assert rows[0]["labels"] == [none, 1, none, 0, 3, none, none, none, 0, none]
    assert cut == 0
    batch = KIND.collate(rows, tokenizer)
    assert batch["labels"].tolist() == [rows[0]["labels"], [none, 0, *[none] * 8]]
    shorter, cut = KIND.encode(data.task, data.train, tokenizer, 5)
    assert shorter[0]["labels"] == [none, 1, none, 0, none]
    assert cut == 1


def test_entities_are_told_with_their_characters(tmp_path: Path) -> None:
    tokenizer = tokenizer_of(tmp_path, "ada", "love", "##lace", "met", "rome", ".")
    text = "Ada Lovelace met Rome."
    encoded = tokenizer([text])
    tags = ["O", "B-loc", "B-per", "I-loc", "I-per"]  # another order than deepcuts has
    #       [CLS]  ada  love ##lace met rome . [SEP]
    chosen = [0, 2, 4, 1, 0, 1, 0, 0]
    logits = 10 * torch.eye(5)[chosen][None]
    config = SimpleNamespace(id2label=dict(enumerate(tags)))
    (told,) = KIND.tell_texts(logits, config, [text], encoded.encodings)
    assert [(one["start"], one["end"], one["text"], one["tag"]) for one in told["spans"]] == [
        (0, 12, "Ada Lovelace", "per"),
        (17, 21, "Rome", "loc"),
    ]
    assert told["spans"][0]["score"] == pytest.approx(1, abs=1e-3)
    config = SimpleNamespace(id2label=dict(enumerate("VWXYZ")))
    (told,) = KIND.tell_texts(logits, config, [text], encoded.encodings)
    assert [(one["text"], one["tag"]) for one in told["spans"]] == [
        ("Ada", "X"), ("Lovelace", "Z"), ("met", "V"), ("Rome", "W"), (".", "V")
    ]  # fmt: skip
    with pytest.raises(InputError, match="not of pairs"):
        KIND.tell_texts(logits, config, [(text, text)], encoded.encodings)


def test_a_tagger_from_elsewhere_is_recognised_and_its_tags_put_in_order(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model", num_labels=5)
    names = ["O", "B-per", "I-per", "B-loc", "I-loc"]
    labels = {
        "id2label": dict(enumerate(names)),
        "label2id": {name: index for index, name in enumerate(names)},
    }
    made = AutoModelForTokenClassification.from_pretrained(folder, **labels)
    save_over(made, folder)
    kind = kind_of_config(AutoModelForTokenClassification.from_pretrained(folder).config)
    assert kind is KIND
    assert kind_of_config(tiny("bert", num_labels=5).config) is kind_named("classification")
    task = load(json_lines(tmp_path, SENTENCES)).task
    notes: list[str] = []
    model, _ = load_for_task(str(folder), task, 0, notes=notes)
    assert torch.equal(model.classifier.weight, made.classifier.weight[[0, 3, 4, 1, 2]])
    assert "another order" in str(notes)
    other = load(json_lines(tmp_path, [(["a", "b"], ["B-x", "B-y"]), (["a"], ["O"])], "other")).task
    with pytest.raises(ModelError, match="matched by name"):
        load_for_task(str(folder), other, 0)


def test_a_tokenizer_that_pads_on_the_left_is_refused(tmp_path: Path) -> None:
    tokenizer = tokenizer_of(tmp_path, "a")
    tokenizer.padding_side = "left"
    data = load(json_lines(tmp_path, SENTENCES))
    with pytest.raises(ModelError, match="pad on the right"):
        KIND.encode(data.task, Split((("a",),), (((0, 1, 0),),)), tokenizer, 8)


def rows_to_tag(count: int, seed: int) -> list[tuple[list[str], list[str]]]:
    """Animals, one after another of one entity; places of another."""
    generator = random.Random(seed)
    found = []
    for _ in range(count):
        animals = generator.sample(ANIMALS[:3], generator.randint(0, 2))
        words = ["the", *animals, "is", *generator.choice([["not"], []]), *generator.choice([["home"], []])]
        tags = ["O" if word not in (*ANIMALS, *PLACES) else "B-place" for word in words]
        tags[1 : 1 + len(animals)] = ["B-animal", "I-animal"][: len(animals)]
        found.append((words, tags))
    return found


def spans_of(words: list[str], tags: list[str]) -> list[tuple[int, str, str]]:
    """What is to be told of a row of `rows_to_tag`."""
    animals = [word for word, tag in zip(words, tags, strict=True) if tag.endswith("animal")]
    found = [(4, " ".join(animals), "animal")] if animals else []
    place = [(" ".join(words).index("home"), "home", "place")] if "home" in words else []
    return [*found, *place]


def test_it_goes_through_every_command(tmp_path: Path) -> None:
    data = {
        "train": str(json_lines(tmp_path, rows_to_tag(64, 1))),
        "dev": str(json_lines(tmp_path, rows_to_tag(24, 2), "dev")),
        "test": str(json_lines(tmp_path, rows_to_tag(9, 3), "test")),
        "text": "words",
        "label": "tags",
    }
    result = prune(tmp_path, data)
    assert result["task"]["kind"] == "tokens"
    assert result["baseline"]["entity_f1"] == 0
    assert 0.3 < result["baseline"]["token_accuracy"] < 0.9
    assert result["retrained"]["entity_f1"] > 0.9
    assert result["model"]["class"] == "BertForTokenClassification"
    dev = rows_to_tag(24, 2)[:8]
    texts = [" ".join(words) for words, _ in dev]
    said, page = check_every_command(tmp_path, data, result, texts)
    right = [
        [(one["start"], one["text"], one["tag"]) for one in row["spans"]] == spans_of(*sentence)
        for row, sentence in zip(said, dev, strict=True)
    ]
    assert sum(right) >= 7  # as good as what was measured
    assert "it gives all words one tag" in page
    assert "F1 of entities" in page
    assert "entity_f1" in call("evaluate", tmp_path / "run")
