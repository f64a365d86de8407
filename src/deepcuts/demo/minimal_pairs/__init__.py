"""A sentence acceptability task in the manner of CoLA, generated from a grammar of English minimal pairs.

Each item is one sentence, labelled 1 (acceptable) or 0 (unacceptable). Sentences are made two by two: an
acceptable one and a twin that breaks exactly one rule of English. So the demo needs no downloaded data.

No word gives the label away. Each phenomenon is built in one of two ways:

* the twins hold the same words in another order ("Why has the pilot left?", "*Why the pilot has left?"),
  or
* the twin swaps one word, and the opposite swap is as frequent in the opposite context: "are" is wrong
  after a singular subject as often as it is right after a plural one.

A classifier of single words therefore stays near chance: the label has to be read off the structure.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from deepcuts.common.errors import InputError, InvariantError
from deepcuts.demo.minimal_pairs import agreement, structure
from deepcuts.demo.minimal_pairs.lexicon import content, content_list
from deepcuts.demo.minimal_pairs.phrases import Twins

__all__ = ["BASIC", "MAX_SENTENCES", "PHENOMENA", "Pair", "minimal_pairs", "pairs"]

MAX_SENTENCES = 100_000
"""The most distinct sentences one call provides, over both splits. The grammar holds several times as many;
the margin keeps the draw quick, with every phenomenon equally often."""

_MAX_TRIES = 10_000


@dataclass(frozen=True)
class Pair:
    """An acceptable sentence and its unacceptable twin.

    Attributes:
        phenomenon: The rule that the twin breaks, a key of `PHENOMENA`.
        acceptable: The sentence that keeps the rule.
        unacceptable: The sentence that breaks it.
    """

    phenomenon: str
    acceptable: str
    unacceptable: str


def repeats_a_content_word(sentence: str) -> bool:
    """Whether a content word occurs twice."""
    words = content_list(sentence)
    return len(set(words)) < len(words)


def _named(name: str, rule: Callable[[random.Random], Twins]) -> Callable[[random.Random], Pair]:
    def draw(rng: random.Random) -> Pair:
        while True:
            pair = Pair(name, *rule(rng))
            # "The singer that the boys blamed blamed the boy": grammatical, but hardly natural.
            if not repeats_a_content_word(pair.acceptable) and not repeats_a_content_word(pair.unacceptable):
                return pair

    return draw


PHENOMENA: Mapping[str, Callable[[random.Random], Pair]] = MappingProxyType(
    {
        name: _named(name, rule)
        for name, rule in (
            ("subject-verb agreement across a prepositional phrase", agreement.agreement_across_phrase),
            ("subject-verb agreement across a relative clause", agreement.agreement_across_clause),
            ("determiner-noun agreement", agreement.determiner_noun),
            ("reflexive agreement", agreement.reflexive),
            ("negative polarity licensing", structure.polarity),
            ("auxiliary and verb form", structure.auxiliary_form),
            ("subject-auxiliary inversion", structure.inversion),
            ("extraction from islands", structure.island),
            ("quantifiers in existential sentences", structure.existential),
            ("argument structure", structure.argument_structure),
            ("pronoun case", structure.pronoun_case),
            ("filler-gap dependency", structure.filler_gap),
        )
    }
)
"""For each phenomenon, a function that draws one of its pairs."""

BASIC = (
    "negative polarity licensing",
    "quantifiers in existential sentences",
    "subject-auxiliary inversion",
    "pronoun case",
)
"""Phenomena that a small encoder learns within a few hundred steps.

Agreement takes it far longer: within a demo's time a run masters a rule of agreement or does not, and a
result is then a matter of which rules it got to.
"""


def _draw(
    count: int,
    rng: random.Random,
    phenomena: Sequence[str],
    held_out: frozenset[frozenset[str]] = frozenset(),
) -> list[Pair]:
    """Draw pairs that share no sentence, phenomena in turn, none with a held-out set of content words."""
    # In a drawn order, or a count that the phenomena don't divide would always favour the first of them.
    names = rng.sample(phenomena, len(phenomena))
    drawn: list[Pair] = []
    used: set[str] = set()
    for index in range(count):
        draw = PHENOMENA[names[index % len(names)]]
        for _ in range(_MAX_TRIES):
            pair = draw(rng)
            twins = (pair.acceptable, pair.unacceptable)
            if used.isdisjoint(twins) and not any(held_out and content(twin) in held_out for twin in twins):
                break
        else:
            raise InvariantError(f"The grammar has no more pairs of {names[index % len(names)]}.")
        used.update(twins)
        drawn.append(pair)
    return drawn


def _check_seed(seed: int) -> None:
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise InputError("seed", seed, "it must be a whole number")


def _check_sentences(argument: str, count: int, at_most: int) -> None:
    if not isinstance(count, int) or isinstance(count, bool) or not 0 < count <= at_most or count % 2:
        raise InputError(argument, count, f"it must be an even number from 2 to {at_most}")


def pairs(count: int, seed: int) -> list[Pair]:
    """Draw minimal pairs that share no sentence, all phenomena equally often (give or take one).

    Args:
        count: How many pairs, from 1 to half of `MAX_SENTENCES`.
        seed: Any whole number; the same one gives the same pairs, in any process.

    Returns:
        The pairs, in no order of phenomena.

    Raises:
        InputError: An argument has a value that is not allowed.
    """
    if not isinstance(count, int) or isinstance(count, bool) or not 0 < count <= MAX_SENTENCES // 2:
        raise InputError("count", count, f"it must be a whole number from 1 to {MAX_SENTENCES // 2}")
    _check_seed(seed)
    # A text as seed: Random hashes it with SHA-512, not with the hash that differs from process to process.
    rng = random.Random(f"minimal pairs, {seed}")
    drawn = _draw(count, rng, tuple(PHENOMENA))
    rng.shuffle(drawn)
    return drawn


def minimal_pairs(
    train: int = 6000, dev: int = 1000, seed: int = 0, phenomena: Sequence[str] = tuple(PHENOMENA)
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Make the acceptability task: labelled sentences to train on, and others to evaluate on.

    Half of each split is acceptable. No sentence occurs twice, both twins of a pair are in the same split,
    and no dev sentence has the same content words (of any number, tense, order or label) as a train sentence:
    dev asks for the rules, in combinations of words that training has not shown. For one seed, dev does not
    depend on the size of train.

    Args:
        train: How many sentences to train on; even.
        dev: How many sentences to evaluate on; even. Both together at most `MAX_SENTENCES`.
        seed: Any whole number; the same one gives the same lists, in any process.
        phenomena: Which of `PHENOMENA`, all equally often; by default all.

    Returns:
        The train and the dev split, lists of (sentence, label), shuffled. Label 1 is acceptable, 0 is not.

    Raises:
        InputError: An argument has a value that is not allowed.
    """
    _check_sentences("train", train, MAX_SENTENCES - 2)
    _check_sentences("dev", dev, MAX_SENTENCES - train)
    _check_seed(seed)
    unknown = [name for name in phenomena if name not in PHENOMENA]
    if unknown or not phenomena:
        raise InputError("phenomena", unknown, f"it must name some of {', '.join(PHENOMENA)}")
    # Dev first: what it holds out is kept from train. So the two can't share a sentence either.
    rng = random.Random(f"minimal pairs, dev, {seed}")
    dev_pairs = _draw(dev // 2, rng, phenomena)
    dev_items = _labelled(dev_pairs, rng)
    held_out = frozenset(content(sentence) for sentence, _ in dev_items)
    rng = random.Random(f"minimal pairs, train, {seed}")
    return _labelled(_draw(train // 2, rng, phenomena, held_out), rng), dev_items


def _labelled(drawn: Sequence[Pair], rng: random.Random) -> list[tuple[str, int]]:
    items = [item for pair in drawn for item in ((pair.acceptable, 1), (pair.unacceptable, 0))]
    rng.shuffle(items)
    return items
