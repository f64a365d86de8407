"""What tests of minimal pairs share: pairs that were drawn, and their words."""

from __future__ import annotations

from collections import Counter


def words(sentence: str) -> list[str]:
    return sentence[:-1].split()


def bag(sentence: str) -> Counter[str]:
    return Counter(word.lower() for word in words(sentence))
