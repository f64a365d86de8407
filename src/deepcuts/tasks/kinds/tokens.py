"""A tag for each word of a text: named entities, parts of speech."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from deepcuts.common.errors import DataError, InputError, ModelError
from deepcuts.tasks.kinds.kind import PADDING, Array, TaskKind
from deepcuts.tasks.kinds.measure import Measure
from deepcuts.tasks.kinds.registry import register_kind
from deepcuts.tasks.labels import Match, match_labels, shown
from deepcuts.tasks.task import Split, Task
from deepcuts.tasks.values import class_name, class_names, text_fault
from deepcuts.tasks.words import bio_tags, entities, first_tokens, is_bio, joined, spans_of, words_of

_MEASURES = {
    "entity_f1": Measure("F1 of entities, kind and both ends right, 0 to 1", is_share=True),
    "token_accuracy": Measure("share of words whose tag is right, 0 to 1", is_share=True),
}


@register_kind
class Tokens(TaskKind):
    """Targets are ``(start, end, tag)`` for each word; predictions are logits, ``(rows, tokens, tags)``.

    In a file a row's text is a list of words, and its label a list of as many tags: CoNLL, CoNLL-U, JSON,
    Parquet. The text is then the words with spaces between them, and start and end stand in it. Of the tokens
    of a word the first has its tag, and the others count nowhere. Tags are BIO if one begins with ``B-`` or
    ``I-``; their ids are then 0 for O, and an odd one for B- of a type before the even one for I- of it.
    """

    name = "tokens"
    title = "a tag for each word"
    measures: ClassVar = _MEASURES
    primary = "entity_f1"
    constant_title = "most frequent tag"
    constant_signs = "it gives all words one tag"
    auto_model = "AutoModelForTokenClassification"

    def check_task(self, task: Task) -> None:
        """Refuse fewer than two tags, or two of one name; and pairs of texts."""
        if not 2 <= len(task.labels) == len(set(task.labels)):
            raise InputError("labels", task.labels, "at least two tags are needed, all different")
        if len(task.text_columns) != 1:
            raise InputError("text", task.text_columns, "it must name one column, which holds words")

    def measures_of(self, labels: Sequence[str]) -> Mapping[str, Measure]:
        """Entities are measured where tags are BIO."""
        return {name: one for name, one in _MEASURES.items() if name != "entity_f1" or is_bio(labels)}

    def primary_of(self, labels: Sequence[str]) -> str:
        """F1 of entities where there are some, else the share of right tags."""
        return next(iter(self.measures_of(labels)))

    def reads(self, text: Any) -> bool:
        """A list of words."""
        return isinstance(text, list | tuple)

    def text_fault(self, text: Any) -> str | None:
        """A text is what its words were joined to; what could not be joined is still a list."""
        if isinstance(text, list | tuple):
            if not text:
                return "holds no words"
            wrong = next((word for word in text if text_fault(word) or not word.strip()), None)
            return f"holds {wrong!r}, but every word must be a text that is not empty"
        return text_fault(text)

    def row_of(self, task: Task, texts: tuple[Any, ...], value: Any) -> tuple[tuple[Any, ...], Any]:
        """Words and tags as a text and where each of its words stands."""
        words, names = texts[0], _names(value)
        if not self.reads(words) or not words or any(text_fault(one) or not one.strip() for one in words):
            return texts, value
        text, places = joined(words)
        if names is None or len(names) != len(words) or not set(names) <= set(task.labels):
            return (text,), value
        ids = {name: index for index, name in enumerate(task.labels)}
        return (text,), tuple((*place, ids[name]) for place, name in zip(places, names, strict=True))

    def target_fault(self, task: Task, target: Any) -> str | None:
        """A target is as `row_of` makes it."""
        if isinstance(target, tuple) and target and all(isinstance(one, tuple) for one in target):
            return None
        names = _names(target)
        if names is None:
            return f"is {target!r:.60}, but it must be a list of tags, one for each word"
        if unknown := list(dict.fromkeys(name for name in names if name not in task.labels)):
            return f"names {shown(unknown)}, but allowed are {shown(task.labels)}"
        column = task.text_columns[0]
        return f"is a list of {len(names)}, but it must have as many tags as {column} is a list of words"

    def dev_fault(self, task: Task, targets: Sequence[Any]) -> str | None:
        """Where no word is of an entity, or all have one tag, nothing can be measured."""
        tags = {tag for target in targets for *_, tag in target}
        if is_bio(task.labels) and tags == {0}:
            return "no word has another tag than O: nothing can be measured"
        if len(tags) == 1:
            return f"every word has the tag {task.labels[tags.pop()]!r}: nothing can be measured"
        return None

    def shown(self, task: Task, target: Any) -> Any:
        """The words' tags."""
        return [task.labels[tag] for *_, tag in target]

    def stratum(self, target: Any) -> bool:
        """Whether a word has another tag than the first, which of BIO tags is O."""
        return any(tag > 0 for *_, tag in target)

    def likeness(self, values: Sequence[Any]) -> int:
        """Lists of tags."""
        return 3 if values and all(_names(value) is not None for value in values) else 0

    def why(self, values: Sequence[Any]) -> str:
        """Because of words."""
        tags = class_names([name for value in values for name in _names(value) or ()])
        return f"they are lists beside lists of words, and {'BIO' if is_bio(tags) else 'plain'} tags"

    def labels_of(self, values: Sequence[Any], where: str, column: str) -> tuple[str, ...]:
        """O and two tags for each type, which are in alphabetical order; or the distinct plain tags."""
        tags = class_names([name for value in values for name in _names(value) or ()])
        if len(tags) < 2:
            found = f"only the tag {tags[0]!r}" if tags else "no lists of tags"
            raise DataError(f"{where}: at least two tags are needed, but column {column!r} holds {found}")
        if not is_bio(tags):
            return tags
        try:
            return bio_tags(tags)
        except ValueError as error:
            raise DataError(
                f"{where}: column {column!r} holds {str(error)!r} beside BIO tags, which are O, and B- or I- "
                "before a type; write all of them so, or none"
            ) from None

    def summary(self, task: Task, targets: Sequence[Any]) -> str:
        """How many words there are, and how many entities of each type, or words of each tag."""
        words = sum(len(target) for target in targets)
        if is_bio(task.labels):
            found = Counter(kind for target in targets for *_, kind in entities([tag for *_, tag in target]))
            names = [task.labels[2 * kind + 1].removeprefix("B-") for kind in range(len(task.labels) // 2)]
        else:
            found = Counter(tag for target in targets for *_, tag in target)
            names = list(task.labels)
        each = ", ".join(f"{name!r} {found[index]:,}" for index, name in enumerate(names[:20]))
        return f"{words:,} words, {each}{', …' if len(names) > 20 else ''}"

    def encode(
        self, task: Task, split: Split, tokenizer: Any, length: int
    ) -> tuple[list[dict[str, Any]], int]:
        """The first token of a word has its tag, every other `PADDING`; words behind the cut count nowhere.

        Raises:
            ModelError: The tokenizer can't say which part of a text a token is, or pads on the left.
        """
        if not tokenizer.is_fast or tokenizer.padding_side != "right":
            raise ModelError(
                f"tokenizer: {type(tokenizer).__name__} can't be used for tags of words: it must say where "
                "tokens stand in a text (be a fast one), and pad on the right"
            )
        texts = [text for (text,) in split.texts]
        encoded = tokenizer(texts, truncation=True, max_length=length)
        rows = []
        for index, (text, target) in enumerate(zip(texts, split.targets, strict=True)):
            labels = [PADDING] * len(encoded["input_ids"][index])
            places = first_tokens(text, [one[:2] for one in target], encoded.encodings[index])
            for place, (*_, tag) in zip(places, target, strict=True):
                if place is not None:
                    labels[place] = tag
            rows.append({**{name: encoded[name][index] for name in encoded}, "labels": labels})
        return rows, sum(bool(one.overflowing) for one in encoded.encodings)

    def tensor(self, targets: Sequence[Any]) -> Any:
        """Tags of tokens, ``(rows, tokens)``, padded."""
        import torch

        longest = max(map(len, targets))
        return torch.tensor([[*row, *[PADDING] * (longest - len(row))] for row in targets])

    def outputs(self, task: Task) -> int:
        """One for each tag."""
        return len(task.labels)

    def configure(self, config: Any, task: Task) -> None:
        """The tags' names give the number of outputs."""
        config.id2label = dict(enumerate(task.labels))
        config.label2id = {label: index for index, label in enumerate(task.labels)}
        config.problem_type = None

    def match(self, task: Task, config: Any) -> Match:
        """Tags are matched by name, see `deepcuts.tasks.labels.match_labels`."""
        return match_labels(task.name, task.labels, config)

    def recognises(self, config: Any) -> bool:
        """What names a class of Transformers for tokens."""
        return any(name.endswith("ForTokenClassification") for name in config.architectures or ())

    def tell(self, predictions: Any, config: Any) -> list[dict[str, Any]]:
        """The tag of every token."""
        return [{"tags": [config.id2label[int(tag)] for tag in row.argmax(-1)]} for row in predictions]

    def tell_texts(
        self, predictions: Any, config: Any, texts: Sequence[Any], encodings: Sequence[Any]
    ) -> list[dict[str, Any]]:
        """Entities, or words where tags are plain, with the characters at which they begin and end.

        Words are those of `deepcuts.tasks.words.words_of`. An entity's score is the mean of its words'
        probabilities of their tags.
        """
        if not encodings:
            raise ModelError("tokenizer: it can't say where tokens stand in a text; a fast one is needed")
        names = [str(config.id2label[index]) for index in range(predictions.shape[-1])]
        found = []
        for row, text, encoding in zip(predictions.softmax(-1), texts, encodings, strict=True):
            if not isinstance(text, str):
                raise InputError("texts", text, "words are tagged of single texts, not of pairs")
            words = words_of(text)
            seen = [
                (*word, int(row[place].argmax()), float(row[place].max()))
                for word, place in zip(words, first_tokens(text, words, encoding), strict=True)
                if place is not None
            ]
            found.append({"spans": spans_of(text, seen, names)})
        return found

    def shapes(self, task: Task, rows: int) -> list[tuple[int | None, ...]]:
        """Logits of every token; a constant's have one."""
        return [(rows, None, len(task.labels))]

    def measure(
        self, predictions: Array, targets: Sequence[Any] | Array, counts: Array, names: Sequence[str]
    ) -> dict[str, Array]:
        """Words are counted over all rows, and so are entities, as seqeval does by default."""
        import numpy as np

        from deepcuts.tasks import formulas

        pairs = list(_pairs(predictions.argmax(axis=-1), targets))
        found = {}
        if "token_accuracy" in names:
            right = counts @ np.array([float((said == wanted).sum()) for said, wanted in pairs])
            words = counts @ np.array([float(len(wanted)) for _, wanted in pairs])
            found["token_accuracy"] = right / np.maximum(words, 1)
        if "entity_f1" in names:
            sets = [(set(entities(said)), set(entities(wanted))) for said, wanted in pairs]
            right = counts @ np.array([float(len(said & wanted)) for said, wanted in sets])
            named = counts @ np.array([float(len(said) + len(wanted)) for said, wanted in sets])
            found["entity_f1"] = formulas.f1_of_counts(right, named)
        return {name: found[name] for name in names}

    def constant(self, task: Task, train: Split, rows: int) -> Array:
        """The most frequent tag, the lowest id of equally frequent ones: one token a row stands for all."""
        import numpy as np

        often = Counter(tag for target in train.targets for *_, tag in target)
        most = min(often, key=lambda tag: (-often[tag], tag))
        return np.tile(np.eye(len(task.labels))[most], (rows, 1, 1))

    def why_constant(
        self,
        primary: str,
        measures: Mapping[str, float],
        constant: Mapping[str, float],
        rows: int,
        predictions: Array | None,
        targets: Sequence[Any] | Array | None,
    ) -> str | None:
        """It also is if it gives every word one tag."""
        if predictions is not None and targets is not None:
            said = {int(tag) for tags, _ in _pairs(predictions.argmax(axis=-1), targets) for tag in tags}
            if len(said) == 1:
                return "it gives every word one tag"
        return super().why_constant(primary, measures, constant, rows, predictions, targets)


def _names(value: Any) -> list[str] | None:
    """The tags of a row as a file holds them; None where they are no list."""
    if not isinstance(value, list | tuple):
        return None
    names = [class_name(one) for one in value]
    return None if None in names else [name for name in names if name is not None]


def _pairs(said: Array, targets: Sequence[Any] | Array) -> Any:
    """For each row the predicted and the right tags of its words, from `said`, ``(rows, tokens or 1)``."""
    import numpy as np

    for row, target in zip(said, targets, strict=True):
        tags = np.array([one[-1] if isinstance(one, tuple) else one for one in target], dtype=np.int64)
        every = np.broadcast_to(row, tags.shape) if len(row) == 1 else row[: len(tags)]
        yield every[tags != PADDING], tags[tags != PADDING]
