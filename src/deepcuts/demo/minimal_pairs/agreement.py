"""Rules of agreement: one function each, which draws a sentence and its twin."""

from __future__ import annotations

import random

from deepcuts.demo.minimal_pairs.lexicon import (
    AGELESS_ADJECTIVES,
    BESIDE,
    FEMALE,
    FEMALE_NAMES,
    INTRANSITIVES,
    LANDMARKS,
    MALE,
    MALE_NAMES,
    OBJECT_ADJECTIVES,
    OBJECT_QUALITIES,
    OBJECT_VERBS,
    OBJECTS,
    OCCASIONS,
    PEOPLE,
    PERSON_ADJECTIVES,
    PERSON_VERBS,
    PLACE_ADJECTIVES,
    PLACES,
    PLAIN_OBJECT_VERBS,
    REFLEXIVE_VERBS,
    STATIVE_VERBS,
)
from deepcuts.demo.minimal_pairs.phrases import (
    Twins,
    a_person,
    a_thing,
    flip,
    maybe,
    noun_phrase,
    other_number,
    person_predicate,
    some_place,
    thing_predicate,
    thing_subject,
    twins,
)


def agreement_across_phrase(rng: random.Random) -> Twins:
    """The verb agrees with its subject, not with a noun of the phrase between them."""
    plural = flip(rng)
    attractor = other_number(rng, plural)
    if flip(rng):
        subject, predicate = thing_subject(rng, plural, attractor)
    else:
        head, other = rng.sample(PEOPLE, 2)
        person = a_person(rng, head, plural)
        kind = rng.randrange(4)
        if kind == 0:
            subject = f"{person} {rng.choice(BESIDE)} {noun_phrase(other, attractor)}"
        elif kind == 1:
            subject = f"{person} {rng.choice(BESIDE)} {noun_phrase(rng.choice(LANDMARKS), attractor)}"
        elif kind == 2:
            subject = (
                f"{person} with {noun_phrase(rng.choice(OBJECTS), attractor, maybe(rng, OBJECT_ADJECTIVES))}"
            )
        else:
            subject = (
                f"{person} from {noun_phrase(rng.choice(PLACES), attractor, maybe(rng, PLACE_ADJECTIVES))}"
            )
        predicate = person_predicate(rng)
    return twins(f"{subject} {predicate[plural]}", f"{subject} {predicate[not plural]}")


def agreement_across_clause(rng: random.Random) -> Twins:
    """The verb agrees with its subject, not with a noun of the relative clause between them."""
    plural = flip(rng)
    attractor = other_number(rng, plural)
    head, other = rng.sample(PEOPLE, 2)
    kind = rng.randrange(5)
    if kind == 0:
        thing = noun_phrase(rng.choice(OBJECTS), plural, maybe(rng, OBJECT_ADJECTIVES, 0.35))
        subject = f"{thing} that {a_person(rng, other, attractor)} {rng.choice(OBJECT_VERBS).past}"
        predicate = thing_predicate(rng, OBJECT_QUALITIES, ("stolen", "sold", "returned"))
    else:
        person, rival = a_person(rng, head, plural), a_person(rng, other, attractor)
        done, feeling = rng.choice(PERSON_VERBS), rng.choice(STATIVE_VERBS)
        subject = {
            1: f"{person} who {done.past} {rival}",
            2: f"{person} that {rival} {done.past}",
            3: f"{person} who {feeling.present(plural)} {rival}",
            4: f"{person} that {rival} {feeling.present(attractor)}",
        }[kind]
        predicate = person_predicate(rng)
    return twins(f"{subject} {predicate[plural]}", f"{subject} {predicate[not plural]}")


def determiner_noun(rng: random.Random) -> Twins:
    """A demonstrative agrees with its noun, also across an adjective."""
    plural = flip(rng)
    near = flip(rng)
    demonstratives = ("this", "these") if near else ("that", "those")
    # Past tense throughout: a verb must not side with the determiner or the noun.
    if flip(rng):
        head, other = rng.sample(PEOPLE, 2)
        start = f"{a_person(rng, head, flip(rng))} {rng.choice(PLAIN_OBJECT_VERBS).past}"
        noun = f"{maybe(rng, OBJECT_ADJECTIVES, 0.7)} {rng.choice(OBJECTS).form(plural)}"
        end = rng.choice(
            (some_place(rng), rng.choice(OCCASIONS), f"with {noun_phrase(other, flip(rng))}", "")
        )
    else:
        head, other = rng.sample(PEOPLE, 2)
        start = ""
        noun = f"{maybe(rng, PERSON_ADJECTIVES, 0.7)} {head.form(plural)}"
        end = rng.choice(
            (
                f"{rng.choice(PERSON_VERBS).past} {a_person(rng, other, flip(rng))}",
                f"{rng.choice(OBJECT_VERBS).past} {a_thing(rng)}",
                f"{rng.choice(INTRANSITIVES).past} {some_place(rng)}",
            )
        )
    return twins(
        f"{start} {demonstratives[plural]} {noun} {end}",
        f"{start} {demonstratives[not plural]} {noun} {end}",
    )


_REFLEXIVES = ("himself", "herself", "themselves")


def _referent(rng: random.Random, category: int) -> str:
    """Someone whom the reflexive of this category fits, and no other: a man, a woman, or several people."""
    if category == 2:
        return noun_phrase(rng.choice(PEOPLE + MALE + FEMALE), True, maybe(rng, AGELESS_ADJECTIVES, 0.25))
    if rng.random() < 0.3:
        return rng.choice((MALE_NAMES, FEMALE_NAMES)[category])
    return noun_phrase(rng.choice((MALE, FEMALE)[category]), False, maybe(rng, AGELESS_ADJECTIVES, 0.25))


def reflexive(rng: random.Random) -> Twins:
    """A reflexive pronoun agrees with its subject in number and gender."""
    # Mostly the wrong reflexive fits someone else in the sentence, who is not the subject of its clause.
    category, wrong = rng.sample(range(3), 2)
    subject, other = _referent(rng, category), _referent(rng, wrong)
    verb, done = rng.choice(REFLEXIVE_VERBS), rng.choice(PERSON_VERBS + STATIVE_VERBS).past
    said = rng.choice(("said", "believed", "knew", "claimed", "thought"))
    starts = [f"{subject} {verb}", f"{other} {said} that {subject} had {verb}"]
    # What narrows the reference does not follow a name.
    if subject.startswith("the "):
        starts += [
            f"{subject} who {done} {other} {verb}",
            f"{subject} that {other} {done} {verb}",
            f"{subject} {rng.choice(BESIDE)} {other} {verb}",
        ]
    start, when = rng.choice(starts), maybe(rng, OCCASIONS, 0.7)
    return twins(f"{start} {_REFLEXIVES[category]} {when}", f"{start} {_REFLEXIVES[wrong]} {when}")
