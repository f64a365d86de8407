"""Words of a text, the tokens that begin them, and what BIO tags make of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

_OPENING = "([{<\"“‘«'’"
_CLOSING = ".,;:!?)]}>\"”’»…'"
_BEGUN = re.compile(r"[BI]-.")
_BIO = re.compile(r"O|[BI]-.+", re.DOTALL)

Place = tuple[int, int]


def joined(words: Sequence[str]) -> tuple[str, list[Place]]:
    """Words with a space between them, and where each begins and ends in that, in characters."""
    places, start = [], 0
    for word in words:
        places.append((start, start + len(word)))
        start += len(word) + 1
    return " ".join(words), places


def words_of(text: str) -> list[Place]:
    """Where the words of a text begin and end: between spaces, without punctuation around them.

    Marks of punctuation around a word are words themselves, one each; but ``:)`` is one, ``U.S.`` keeps its
    last point, and ``'s`` its apostrophe.
    """
    found: list[Place] = []
    for chunk in re.finditer(r"\S+", text):
        start, end = chunk.span()
        first, last = start, end
        while first < end and text[first] in _OPENING and not (text[first] in "'’" and end - first <= 3):
            first += 1
        while last > first and text[last - 1] in _CLOSING and not _abbreviates(text[first:last]):
            last -= 1
        if first == last:  # nothing but punctuation
            found.append((start, end))
            continue
        found += [(place, place + 1) for place in range(start, first)]
        found.append((first, last))
        found += [(place, place + 1) for place in range(last, end)]
    return found


def _abbreviates(word: str) -> bool:
    return word[-1] == "." and "." in word[:-1].rstrip(".") and not word.endswith("..")


def first_tokens(text: str, words: Sequence[Place], encoding: Any) -> list[int | None]:
    """For each word the first token that begins in it; None for one that has none, such as behind a cut.

    Args:
        text: The text.
        words: Where its words begin and end, in their order.
        encoding: What a fast tokenizer made of it, `tokenizers.Encoding`.
    """
    found: list[int | None] = [None] * len(words)
    word = 0
    for index, (start, end) in enumerate(encoding.offsets):
        if encoding.special_tokens_mask[index]:
            continue
        while start < end and text[start].isspace():  # some tokenizers count the space before a word to it
            start += 1
        if start == end:
            continue
        while word < len(words) and words[word][1] <= start:
            word += 1
        if word < len(words) and words[word][0] <= start and found[word] is None:
            found[word] = index
    return found


def is_bio(tags: Iterable[str]) -> bool:
    """Whether tags are meant as BIO: one begins as they do."""
    return any(_BEGUN.match(tag) for tag in tags)


def bio_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """All BIO tags of the types that occur: O, then B- and I- of each type in alphabetical order.

    Raises:
        ValueError: A tag is none of BIO; its name is the message.
    """
    for tag in tags:
        if not _BIO.fullmatch(tag):
            raise ValueError(tag)
    types = sorted({tag[2:] for tag in tags if tag != "O"})
    return ("O", *(f"{begin}-{one}" for one in types for begin in "BI"))


def entities(tags: Sequence[int]) -> list[tuple[int, int, int]]:
    """Entities among the words of a text: the first word, the one after the last, and the type.

    An entity goes on as long as I- of its type follows; I- after anything else begins one, as in seqeval.

    Args:
        tags: Places in what `bio_tags` gives.
    """
    found = []
    begun, current = 0, -1
    for place, tag in enumerate([*map(int, tags), 0]):
        kind = (tag - 1) // 2 if tag else -1
        if tag and tag % 2 == 0 and kind == current:
            continue
        if current >= 0:
            found.append((begun, place, current))
        begun, current = place, kind
    return found


def spans_of(text: str, seen: Sequence[tuple[int, int, int, float]], names: Sequence[str]) -> list[Any]:
    """What is told of a text's words: an entity each, or where tags are plain a word each.

    Args:
        text: The text.
        seen: Of each word start, end, tag and its probability.
        names: The tags' names.
    """

    def span(words: Sequence[tuple[int, int, int, float]], tag: str) -> dict[str, Any]:
        start, end = words[0][0], words[-1][1]
        score = sum(share for *_, share in words) / len(words)
        return {"start": start, "end": end, "text": text[start:end], "tag": tag, "score": score}

    if not is_bio(names):
        return [span([word], names[word[2]]) for word in seen]
    ordered = bio_tags(names)
    tags = [ordered.index(names[tag]) for *_, tag, _ in seen]
    return [span(seen[first:end], ordered[2 * kind + 1][2:]) for first, end, kind in entities(tags)]
