from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepcuts.common.errors import DataError, InputError
from deepcuts.tasks import Schedule, load_files


def csv_file(path, labels, text="some words"):
    path.write_text("text,more,label\n" + "".join(f'"{text}",b {i},{v}\n' for i, v in enumerate(labels)))
    return path


def json_file(path, labels):
    path.write_text("".join(json.dumps({"text": "t", "label": label}) + "\n" for label in labels))
    return path


def load(tmp_path, train, dev=None, write=csv_file, **options):
    dev = train if dev is None else dev
    suffix = ".csv" if write is csv_file else ".jsonl"
    files = write(tmp_path / f"train{suffix}", train), write(tmp_path / f"dev{suffix}", dev)
    return load_files(*files, **{"text": ["text"], "label": "label", **options})


def test_two_classes_by_name(tmp_path):
    data = load(tmp_path, ["pos", "neg", " pos "], ["neg", "pos"])
    assert data.task.kind == "classification"
    assert data.task.labels == ("neg", "pos")
    assert data.task.name == "train"
    assert data.task.primary == "accuracy"
    assert data.task.output_range is None
    assert data.task.schedule == Schedule(
        finetune_epochs=3, retrain_epochs=8, learning_rate=2e-5, batch_size=16
    )
    assert data.train.targets == (1, 0, 1)
    assert data.dev.targets == (0, 1)
    assert data.train.texts == (("some words",),) * 3
    assert data.source == f"{tmp_path / 'train.csv'}, {tmp_path / 'dev.csv'}"


def test_a_pair_of_text_columns_and_a_name(tmp_path):
    data = load(tmp_path, ["0", "1"], text=["more", "text"], name="mine")
    assert data.task.text_columns == ("more", "text")
    assert data.train.texts == (("b 0", "some words"), ("b 1", "some words"))
    assert data.task.name == "mine"


def test_one_text_column_may_be_given_as_a_string(tmp_path):
    assert load(tmp_path, ["0", "1"], text="text").task.text_columns == ("text",)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["10", "9", "-1"], ("-1", "9", "10")),
        (["10", "9", "x"], ("10", "9", "x")),
        (["01", "1", "2"], ("01", "1", "2")),
        (["1.0", "0.0"], ("0.0", "1.0")),
        (["NA", "null", "None", "nan"], ("NA", "None", "nan", "null")),
        (["True", "False"], ("False", "True")),
    ],
)
def test_classes_are_what_a_csv_file_says_in_numeric_or_else_alphabetical_order(tmp_path, values, labels):
    data = load(tmp_path, values, kind="classification")
    assert data.task.labels == labels
    assert [labels[target] for target in data.train.targets] == values


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([True, False], ("False", "True")),
        ([2, 10, 1], ("1", "2", "10")),
        ([1.0, 0.0], ("0", "1")),
        (["b", "a"], ("a", "b")),
        ([0.5, 0.25, 3], ("0.25", "0.5", "3")),
    ],
)
def test_classes_of_other_types(tmp_path, values, labels):
    assert load(tmp_path, values, write=json_file, kind="classification").task.labels == labels


def test_formats_may_be_mixed(tmp_path):
    pq.write_table(pa.table({"text": ["a", "b"], "label": [0, 1]}), tmp_path / "train.PARQUET")
    dev = tmp_path / "dev.tsv"
    dev.write_text('text\tlabel\na "quote\t1\nNA\t0\n')
    data = load_files(tmp_path / "train.PARQUET", dev, ["text"], "label")
    assert data.train.targets == (0, 1)
    assert data.dev.targets == (1, 0)
    assert data.dev.texts == (('a "quote',), ("NA",))


def test_the_same_rows_have_the_same_digest_in_every_format(tmp_path):
    labels = ["no", "yes", "no"]
    rows = {"text": ["a", "b c", "NA"], "label": labels}
    pq.write_table(pa.table(rows), tmp_path / "rows.parquet")
    (tmp_path / "rows.csv").write_text("label,text\nno,a\nyes,b c\nno,NA\n")
    (tmp_path / "rows.tsv").write_text("text\tlabel\na\tno\nb c\tyes\nNA\tno\n")
    lines = [json.dumps(dict(zip(rows, row, strict=True))) for row in zip(*rows.values(), strict=True)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    paths = sorted(tmp_path.iterdir())
    digests = {load_files(path, path, ["text"], "label").digest for path in paths}
    assert len(paths) == 4
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2", "3"], "classification"),
        (["1.0", "2.0"], "classification"),
        (["1", "2.5"], "regression"),
        ([str(i) for i in range(20)], "classification"),
        ([str(i) for i in range(21)], "regression"),
        ([f"c{i}" for i in range(50)], "classification"),
        (["0.5", "a", "b"], "classification"),
    ],
)
def test_the_kind_is_inferred_from_the_labels(tmp_path, values, kind):
    assert load(tmp_path, values).task.kind == kind


def test_the_kind_is_inferred_from_types_too(tmp_path):
    assert load(tmp_path, [True, False], write=json_file).task.kind == "classification"
    assert load(tmp_path, [0.5, 2], write=json_file).task.kind == "regression"
    assert load(tmp_path, [10**400, 1], write=json_file).task.kind == "classification"


def test_a_regression_predicts_numbers_without_a_range(tmp_path):
    data = load(tmp_path, ["1", "2", "-3e2"], ["0.5", "7"], kind="regression")
    assert data.train.targets == (1.0, 2.0, -300.0)
    assert data.dev.targets == (0.5, 7.0)
    assert data.task.labels == ()
    assert data.task.output_range is None
    assert data.task.primary == "pearson"


@pytest.mark.parametrize(
    ("train", "dev", "options", "words"),
    [
        (
            ["a", "b"],
            ["a", "c"],
            {},
            "dev.csv, row 2: label is 'c', but allowed are 'a' .id 0., 'b' .id 1.",
        ),
        (["10", "20"], ["10", "1"], {}, "dev.csv, row 2: label is '1', but allowed are '10'"),
        (["a", "", "b"], None, {}, "train.csv, row 2: label is missing"),
        (["1.5", "  ", "2"], None, {}, "train.csv, row 2: label is missing"),
        (
            ["a", "a"],
            None,
            {},
            "train.csv: at least two classes are needed, but column 'label' has only 'a'",
        ),
        (["", ""], None, {}, "at least two classes are needed, but column 'label' has none"),
        (["a", "b"], ["b", "b"], {}, "dev.csv: every row has the label 'b'"),
        (["1.5", "2"], ["2", "2.0"], {}, "dev.csv: every row has the label 2.0"),
        (["1.5", "nan"], None, {}, "train.csv, row 2: label is nan, but it must be a finite number"),
        (["1", "inf"], None, {"kind": "regression"}, "row 2: label is inf"),
        (["1", "x"], None, {"kind": "regression"}, "row 2: label is 'x', but it must be a finite number"),
        (
            ["1", "2"],
            None,
            {"label": "klass"},
            "has no column 'klass'; its columns are 'text', 'more', 'label'",
        ),
        (["1", "2"], None, {"text": ["txt"]}, "has no column 'txt'"),
    ],
)
def test_data_that_is_not_allowed_is_named(tmp_path, train, dev, options, words):
    with pytest.raises(DataError, match=words):
        load(tmp_path, train, dev, **options)


@pytest.mark.parametrize("bad", [None, [1], {"a": 1}, float("nan")])
def test_a_json_label_must_be_a_name_or_a_number(tmp_path, bad):
    with pytest.raises(DataError, match=r"train.jsonl, line 2: label is"):
        load(tmp_path, ["a", bad, "b"], write=json_file)


def test_an_unknown_number_is_not_taken_for_the_id_of_a_class(tmp_path):
    with pytest.raises(DataError, match=r"dev.jsonl, line 2: label is '1', but allowed are '10' \(id 0\)"):
        load(tmp_path, [10, 20], [10, 1], write=json_file)


def test_a_bool_is_not_a_number_to_predict(tmp_path):
    with pytest.raises(DataError, match="label is True, but it must be a finite number"):
        load(tmp_path, [1, True], write=json_file, kind="regression")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"text": []}, "text: got"),
        ({"text": ["text", "more", "x"]}, "text: got"),
        ({"text": ["text", "text"]}, "two different ones"),
        ({"text": ["label"]}, "label: got 'label', but it must be another column"),
        ({"kind": "ranking"}, "kind: got 'ranking'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        load(tmp_path, ["a", "b"], **options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1,5", "2", "3,25"], "holds '1,5'; write numbers with a decimal point"),
        (["0", "0.0", "1"], "holds '0' and '0.0', one number; as classes they would be two"),
        (["1", "01", "2"], "one number; as classes they would be two"),
        (["1,000.5", "2,000.5"], "holds '1,000.5'; write numbers with a decimal point"),
        (["1.000,5", "2"], "holds '1.000,5'; write numbers with a decimal point"),
        (["neg", "Neg", "pos"], "holds 'Neg' and 'neg', all but one name; as classes they would be two"),
        (["neg\u200b", "neg", "pos"], "all but one name"),
        (["e\u0301", "\xe9", "pos"], "all but one name"),
        (["very  good", "very\xa0good", "pos"], "all but one name"),
    ],
)
def test_labels_of_which_a_guess_would_be_wrong_are_refused_unless_the_kind_is_named(
    tmp_path, values, message
):
    with pytest.raises(DataError, match=message):
        load(tmp_path, values, write=json_file)
    assert load(tmp_path, values, write=json_file, kind="classification").task.kind == "classification"


@pytest.mark.parametrize(
    ("values", "described"),
    [
        (
            ["1", "2", "2"],
            "guessed from the labels: they are 2 different whole numbers; --kind says otherwise",
        ),
        (["1_000", "2_000"], "guessed from the labels: they are 2 different names; --kind says otherwise"),
        (["a", "b", "b"], "guessed from the labels: they are 2 different names; --kind says otherwise"),
        (["1", "2.5", "2"], "a number, guessed from the labels: they are numbers, and not all whole"),
        ([str(i) for i in range(21)], "they are 21 different whole numbers, more than 20"),
    ],
)
def test_what_was_taken_for_what_is_described(tmp_path, values, described):
    found = dict(load(tmp_path, values).described)
    assert described in found["kind"]
    assert (found["text"], found["label"]) == ("'text'", "'label'")
    named = dict(load(tmp_path, values, kind="classification").described)
    assert "guessed" not in named["kind"]
    assert f"{values[1]!r} {values.count(values[1])}" in named["  training"] or len(values) > 10


def test_numbers_are_described_by_their_range(tmp_path):
    found = dict(load(tmp_path, ["1.5", "2", "4"], ["1", "2"]).described)
    assert (found["  training"], found["  dev"]) == ("1.5 to 4, mean 2.5", "1 to 2, mean 1.5")


@pytest.mark.parametrize("spaces", ["", "  ", "\u00a0"])
def test_a_column_without_any_text_is_refused(tmp_path, spaces):
    empty, filled = csv_file(tmp_path / "empty.csv", "ab", spaces), csv_file(tmp_path / "filled.csv", "ab")
    for files in ((empty, filled), (filled, empty)):
        with pytest.raises(DataError, match=r"empty.csv: every text is empty"):
            load_files(*files, ["text"], "label")
        with pytest.raises(DataError, match=r"empty.csv: every text is empty"):
            load_files(*files, ["more", "text"], "label")
