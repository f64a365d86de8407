"""Words of a text, and the tokens that begin them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from deepcuts.tasks.words import bio_tags, entities, first_tokens, words_of


def test_a_token_may_begin_with_the_space_before_its_word() -> None:
    # As sentencepiece's do: "▁a", then "▁" alone before "b", then the word's first real token.
    encoding = SimpleNamespace(
        offsets=[(0, 0), (0, 1), (1, 2), (2, 3), (3, 5), (0, 0)], special_tokens_mask=[1, 0, 0, 0, 0, 1]
    )
    assert first_tokens("a b c", [(0, 1), (2, 3), (4, 5)], encoding) == [1, 3, 4]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('Hello, "world"!', ["Hello", ",", '"', "world", '"', "!"]),
        ("the U.S. and :) it 's", ["the", "U.S.", "and", ":)", "it", "'s"]),
        (" @you  (#tag).", ["@you", "(", "#tag", ")", "."]),
        ("", []),
    ],
)
def test_words_of_a_plain_text(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in words_of(text)] == words


def test_tags_of_a_type_stand_together() -> None:
    tags = bio_tags(["I-b", "O", "B-a"])
    assert tags == ("O", "B-a", "I-a", "B-b", "I-b")
    #           O  Ba Ia Ia Ib O  Ib Bb Ba
    assert entities([0, 1, 2, 2, 4, 0, 4, 3, 1]) == [(1, 4, 0), (4, 5, 1), (6, 7, 1), (7, 8, 1), (8, 9, 0)]
    with pytest.raises(ValueError, match=r"^E-a$"):
        bio_tags(["B-a", "E-a"])
