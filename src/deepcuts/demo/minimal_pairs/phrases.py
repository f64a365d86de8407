"""The building blocks of sentences: noun phrases, places, predicates, subjects."""

from __future__ import annotations

import random
from collections.abc import Sequence

from deepcuts.demo.minimal_pairs.lexicon import (
    ANIMALS,
    ARRIVALS,
    BESIDE,
    FREQUENCY,
    IMAGES,
    INTRANSITIVES,
    KEYS,
    LANDMARKS,
    LOCKED,
    OBJECT_ADJECTIVES,
    OBJECT_FATES,
    OBJECT_QUALITIES,
    OBJECTS,
    OCCASIONS,
    PARCELS,
    PEOPLE,
    PERSON_ADJECTIVES,
    PLACE_ADJECTIVES,
    PLACES,
    RELATIVES,
    STATES,
    STATIVE_VERBS,
    SURFACES,
    TEXTS,
    Noun,
    word_list,
)

Twins = tuple[str, str]
"""The acceptable and the unacceptable sentence."""


def flip(rng: random.Random) -> bool:
    """A fair coin."""
    return rng.random() < 0.5


def other_number(rng: random.Random, plural: bool) -> bool:
    """The number of a noun between subject and verb: mostly the opposite, so that the nearest misleads."""
    return plural if rng.random() < 0.4 else not plural


def noun_phrase(noun: Noun, plural: bool, adjective: str = "") -> str:
    """A noun with its article, in either number."""
    return f"the {adjective + ' ' if adjective else ''}{noun.form(plural)}"


def maybe(rng: random.Random, words: Sequence[str], chance: float = 0.5) -> str:
    """One of the words, or nothing."""
    return rng.choice(words) if rng.random() < chance else ""


def a_person(rng: random.Random, noun: Noun, plural: bool) -> str:
    """A person, with an adjective at times."""
    return noun_phrase(noun, plural, maybe(rng, PERSON_ADJECTIVES, 0.35))


def a_thing(rng: random.Random) -> str:
    """A thing of either number, with an adjective at times."""
    return noun_phrase(rng.choice(OBJECTS), flip(rng), maybe(rng, OBJECT_ADJECTIVES, 0.35))


def some_place(rng: random.Random) -> str:
    """A place where something happens."""
    if flip(rng):
        return f"in {noun_phrase(rng.choice(PLACES), False, maybe(rng, PLACE_ADJECTIVES, 0.3))}"
    return f"{rng.choice(BESIDE)} {noun_phrase(rng.choice(LANDMARKS), flip(rng))}"


def written(text: str, end: str = ".") -> str:
    """The sentence as written: one space between words, a capital, and the closing mark."""
    text = " ".join(text.split())
    return text[0].upper() + text[1:] + end


def twins(acceptable: str, unacceptable: str, end: str = ".") -> Twins:
    """Both sentences as written."""
    return written(acceptable, end), written(unacceptable, end)


def form_of_be(plural: bool, past: bool) -> str:
    """The form of "be" for a number and a tense."""
    if past:
        return "were" if plural else "was"
    return "are" if plural else "is"


def form_of_have(plural: bool) -> str:
    """The form of "have" for a number."""
    return "have" if plural else "has"


# Predicates that mark number, as (with a singular subject, with a plural one).


def person_predicate(rng: random.Random) -> tuple[str, str]:
    """What may be said of a person, marked for number: (singular, plural)."""
    kind = rng.randrange(5)
    if kind == 0:
        state, past, still = (
            rng.choice(STATES),
            flip(rng),
            maybe(rng, ("still", "probably", "already"), 0.3),
        )
        return f"{form_of_be(False, past)} {still} {state}", f"{form_of_be(True, past)} {still} {state}"
    if kind == 1:
        state = rng.choice(STATES)
        return f"seems {state}", f"seem {state}"
    if kind == 2:
        done = rng.choice((*INTRANSITIVES, *ARRIVALS)).participle
        often = maybe(rng, ("already", "probably", "just", "never"))
        return f"has {often} {done}", f"have {often} {done}"
    if kind == 3:
        verb, often, where = rng.choice(INTRANSITIVES), maybe(rng, FREQUENCY), some_place(rng)
        return f"{often} {verb.third} {where}", f"{often} {verb.base} {where}"
    verb = rng.choice(STATIVE_VERBS)
    whom = noun_phrase(rng.choice(RELATIVES), flip(rng))
    return f"{verb.third} {whom}", f"{verb.base} {whom}"


def thing_predicate(rng: random.Random, adjectives: Sequence[str], fates: Sequence[str]) -> tuple[str, str]:
    """What may be said of a thing, marked for number: (singular, plural)."""
    kind = rng.randrange(3)
    if kind == 0:
        quality, past, still = rng.choice(adjectives), flip(rng), maybe(rng, ("still", "probably"), 0.3)
        return f"{form_of_be(False, past)} {still} {quality}", f"{form_of_be(True, past)} {still} {quality}"
    if kind == 1:
        quality = rng.choice(adjectives)
        return f"seems {quality}", f"seem {quality}"
    fate, when = rng.choice(fates), maybe(rng, OCCASIONS)
    if flip(rng):
        return f"was {fate} {when}", f"were {fate} {when}"
    return f"has been {fate}", f"have been {fate}"


def thing_subject(rng: random.Random, plural: bool, attractor: bool) -> tuple[str, tuple[str, str]]:
    """A thing with a phrase after it, and a predicate that suits such a thing."""
    kind = rng.randrange(5)
    if kind == 0:
        about = rng.choice(PEOPLE + ANIMALS)
        subject = f"{noun_phrase(rng.choice(TEXTS), plural)} about {noun_phrase(about, attractor)}"
        predicate = thing_predicate(
            rng,
            word_list("long boring popular strange wonderful sad funny famous"),
            word_list("praised rejected forgotten criticized admired"),
        )
    elif kind == 1:
        sender = rng.choice(PEOPLE)
        parcel = noun_phrase(rng.choice(PARCELS), plural)
        preposition = rng.choice(("from", "for"))
        subject = f"{parcel} {preposition} {noun_phrase(sender, attractor)}"
        predicate = thing_predicate(
            rng,
            word_list("late missing important strange lovely"),
            word_list("lost stolen found returned delivered"),
        )
    elif kind == 2:
        shown = rng.choice(PEOPLE + ANIMALS + PLACES)
        subject = f"{noun_phrase(rng.choice(IMAGES), plural)} of {noun_phrase(shown, attractor)}"
        predicate = thing_predicate(
            rng, word_list("old missing famous strange beautiful valuable"), OBJECT_FATES
        )
    elif kind == 3:
        adjective = maybe(rng, ("small", "large", "heavy", "golden", "rusty"), 0.7)
        subject = f"{noun_phrase(KEYS[0], plural, adjective)} to {noun_phrase(rng.choice(LOCKED), attractor)}"
        predicate = thing_predicate(rng, OBJECT_QUALITIES, ("stolen", "found", "returned", "lost", "hidden"))
    else:
        adjective = maybe(rng, OBJECT_ADJECTIVES, 0.4)
        where = rng.choice(("on", "near", "behind"))
        thing = noun_phrase(rng.choice(OBJECTS), plural, adjective)
        subject = f"{thing} {where} {noun_phrase(rng.choice(SURFACES), attractor)}"
        predicate = thing_predicate(rng, OBJECT_QUALITIES, OBJECT_FATES)
    return subject, predicate
