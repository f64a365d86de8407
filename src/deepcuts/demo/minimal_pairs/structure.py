"""Rules of structure: one function each, which draws a sentence and its twin."""

from __future__ import annotations

import random

from deepcuts.demo.minimal_pairs.lexicon import (
    AUXILIARY_OBJECT_VERBS,
    BESIDE,
    INTRANSITIVES,
    LANDMARKS,
    OBJECT_ADJECTIVES,
    OBJECT_VERBS,
    OBJECTS,
    OCCASIONS,
    PEOPLE,
    PERSON_ADJECTIVES,
    PERSON_VERBS,
    PLACES,
    PREPOSITIONAL,
    PRONOUNS,
    STATES,
    SURFACES,
    word_list,
)
from deepcuts.demo.minimal_pairs.phrases import (
    Twins,
    a_person,
    a_thing,
    flip,
    form_of_be,
    form_of_have,
    maybe,
    noun_phrase,
    some_place,
    twins,
)


def polarity(rng: random.Random) -> Twins:
    """A word like "ever" needs a negation above them."""
    # The licensing word is in both twins; in the unacceptable one it does not command "ever" or "any".
    head, other, third = rng.sample(PEOPLE, 3)
    plural, rival = flip(rng), flip(rng)
    person, whom = head.form(plural), other.form(rival)
    done, place = rng.choice(PERSON_VERBS), rng.choice(PLACES).singular
    visited = f"{rng.choice(word_list('visited seen left entered photographed described'))} the {place}"
    ever = f"{form_of_have(plural)} ever {visited}"
    kind = rng.randrange(5)
    if kind == 0:
        return twins(
            f"no {person} who {done.past} the {whom} {ever}",
            f"the {person} who {done.past} no {whom} {ever}",
        )
    if kind == 1:
        return twins(
            f"no {person} that the {whom} {done.past} {ever}",
            f"the {person} that no {whom} {done.past} {ever}",
        )
    if kind == 2:
        praised = f"{form_of_have(plural)} ever {done.participle}"
        where = some_place(rng)
        return twins(f"no {person} {praised} the {whom} {where}", f"the {person} {praised} no {whom} {where}")
    if kind == 3:
        return twins(
            f"only the {person} who {done.past} the {whom} {ever}",
            f"the {person} who {done.past} only the {whom} {ever}",
        )
    met = f"{rng.choice(PERSON_VERBS).participle} any {third.plural}"
    return twins(
        f"the {person} who had {done.participle} the {whom} had not {met}",
        f"the {person} who had not {done.participle} the {whom} had {met}",
    )


def auxiliary_form(rng: random.Random) -> Twins:
    """An auxiliary takes its own form of the verb."""
    head, other = rng.sample(PEOPLE, 2)
    plural, past = flip(rng), flip(rng)
    if flip(rng):
        verb, target = rng.choice(AUXILIARY_OBJECT_VERBS), a_thing(rng)
    else:
        verb, target = rng.choice(PERSON_VERBS), a_person(rng, other, flip(rng))
    auxiliaries = (
        "had" if past else form_of_have(plural),
        form_of_be(plural, past),
        rng.choice(("will", "can", "must", "should", "might", "did not")),
    )
    forms = (verb.participle, verb.gerund, verb.base)
    kind, wrong = rng.sample(range(3), 2)
    subject = a_person(rng, head, plural)
    if rng.random() < 0.3:
        subject += f" {rng.choice(BESIDE)} {noun_phrase(rng.choice(LANDMARKS), flip(rng))}"
    adverb = (
        ""
        if auxiliaries[kind] == "did not"
        else maybe(rng, ("secretly", "quietly", "quickly", "finally", "also"))
    )
    start = f"{subject} {auxiliaries[kind]} {adverb}"
    return twins(f"{start} {forms[kind]} {target}", f"{start} {forms[wrong]} {target}")


def _knows(rng: random.Random, plural: bool) -> str:
    """A verb whose clause may be a question; none of those that tolerate its inversion, such as "ask"."""
    return rng.choice(
        (
            "know" if plural else "knows",
            "remember" if plural else "remembers",
            f"{form_of_have(plural)} forgotten",
            "will explain",
            "cannot remember",
            f"{form_of_have(plural)} discovered",
        )
    )


def inversion(rng: random.Random) -> Twins:
    """Subject and auxiliary change places in a main question, not in an embedded one."""
    head, other = rng.sample(PEOPLE, 2)
    plural, past = flip(rng), flip(rng)
    person = a_person(rng, head, plural)
    if rng.random() < 0.4:
        # The auxiliary of the main clause comes first, not that of the relative clause.
        be, state, modal = (
            form_of_be(plural, False),
            rng.choice(STATES),
            rng.choice(("can", "will", "should", "must")),
        )
        action = rng.choice(
            (
                f"{rng.choice(OBJECT_VERBS).base} {a_thing(rng)}",
                f"{rng.choice(PERSON_VERBS).base} {noun_phrase(other, flip(rng))}",
            )
        )
        if flip(rng):
            return twins(
                f"{modal} {person} who {be} {state} {action}",
                f"{be} {person} who {state} {modal} {action}",
                "?",
            )
        return twins(
            f"{be} {person} who {modal} {action} {state}",
            f"{modal} {person} who {action} {be} {state}",
            "?",
        )
    verb = rng.choice(OBJECT_VERBS)
    auxiliary, form = rng.choice(
        (
            ("had" if past else form_of_have(plural), verb.participle),
            (form_of_be(plural, past), verb.gerund),
            (rng.choice(("will", "can", "should")), verb.base),
        )
    )
    word, target = rng.choice((("what", ""), ("why", a_thing(rng)), ("where", a_thing(rng))))
    inverted = f"{word} {auxiliary} {person} {form} {target}"
    straight = f"{word} {person} {auxiliary} {form} {target}"
    # What a main question needs, an embedded one forbids.
    if flip(rng):
        return twins(inverted, straight, "?")
    knower = flip(rng)
    start = f"{noun_phrase(other, knower)} {_knows(rng, knower)}"
    return twins(f"{start} {straight}", f"{start} {inverted}")


def island(rng: random.Random) -> Twins:
    """Nothing is asked for out of a clause that is closed to questions."""
    head, other = rng.sample(PEOPLE, 2)
    person = a_person(rng, head, flip(rng))
    if flip(rng):
        word, target = "who", a_person(rng, other, flip(rng))
        first, second = rng.sample(PERSON_VERBS, 2)
    else:
        word, target = "what", a_thing(rng)
        first, second = rng.sample(OBJECT_VERBS, 2)
    kind = rng.randrange(3)
    if kind == 0:
        start = f"{word} did {person} who {first.past}"
        return twins(f"{start} {target} {second.base}", f"{start} {second.base} {target}", "?")
    if kind == 1:
        start, later = (
            f"{word} did {person} {first.base}",
            f"{rng.choice(('before', 'after'))} {second.gerund}",
        )
        return twins(f"{start} {later} {target}", f"{start} {target} {later}", "?")
    word, plural = rng.choice(
        (("which", False), ("which", True), ("whose", False), ("whose", True), ("how many", True))
    )
    thing = f"{maybe(rng, OBJECT_ADJECTIVES)} {rng.choice(OBJECTS).form(plural)}"
    rest = f"did {person} {rng.choice(OBJECT_VERBS).base}"
    where = maybe(rng, [some_place(rng), rng.choice(OCCASIONS)])
    return twins(f"{word} {thing} {rest} {where}", f"{word} {rest} {thing} {where}", "?")


def existential(rng: random.Random) -> Twins:
    """After "there is" stands no "every", "each" or "both"."""
    plural, past = flip(rng), flip(rng)
    if rng.random() < 0.6:
        thing = f"{maybe(rng, PERSON_ADJECTIVES)} {rng.choice(PEOPLE).form(plural)}"
        place, preposition = rng.choice(PLACES), "in"
        if rng.random() < 0.4:
            place, preposition = rng.choice(LANDMARKS), rng.choice(BESIDE)
    else:
        thing = f"{maybe(rng, OBJECT_ADJECTIVES)} {rng.choice(OBJECTS).form(plural)}"
        place, preposition = rng.choice(SURFACES + PLACES), "near"
        if place in SURFACES:
            preposition = rng.choice(("on", "near", "behind"))
    spot = f"{maybe(rng, ('old', 'new', 'small', 'large', 'beautiful'))} {place.form(plural)}"
    if plural:
        weak, strong = (
            rng.choice(("many", "several", "two", "three", "some", "few")),
            rng.choice(("most", "both")),
        )
    else:
        # "a" before either phrase, or the twins would differ in more than the order.
        vowel = any(text.split()[0][0] in "aeiou" for text in (thing, spot))
        weak, strong = "one" if vowel else rng.choice(("a", "one")), rng.choice(("every", "each"))
    be = f"there {form_of_be(plural, past)}"
    if rng.random() < 0.3:
        return twins(
            f"{preposition} {strong} {spot} {be} {weak} {thing}",
            f"{preposition} {weak} {spot} {be} {strong} {thing}",
        )
    return twins(
        f"{be} {weak} {thing} {preposition} {strong} {spot}",
        f"{be} {strong} {thing} {preposition} {weak} {spot}",
    )


def argument_structure(rng: random.Random) -> Twins:
    """A verb has the objects that it takes, no more and no fewer."""
    head, other = rng.sample(PEOPLE, 2)
    person = a_person(rng, head, flip(rng))
    when = rng.choice((some_place(rng), rng.choice(OCCASIONS)))
    if flip(rng):
        with_object, without = rng.choice(OBJECT_VERBS).past, rng.choice(INTRANSITIVES).past
        thing = a_thing(rng)
        if flip(rng):
            return twins(f"{person} {with_object} {thing} {when}", f"{person} {without} {thing} {when}")
        return twins(f"{person} {without} {when}", f"{person} {with_object} {when}")
    direct, (indirect, preposition) = rng.choice(PERSON_VERBS).past, rng.choice(PREPOSITIONAL)
    whom = a_person(rng, other, flip(rng))
    if flip(rng):
        return twins(f"{person} {direct} {whom} {when}", f"{person} {indirect} {whom} {when}")
    return twins(
        f"{person} {indirect} {preposition} {whom} {when}", f"{person} {direct} {preposition} {whom} {when}"
    )


def pronoun_case(rng: random.Random) -> Twins:
    """A subject is in the nominative, an object in the objective case."""
    # Past tense and modals throughout: no agreement with the pronoun to get wrong as well.
    pronoun = rng.choice(PRONOUNS)
    someone = a_person(rng, rng.choice(PEOPLE), flip(rng))
    done, thing, when = rng.choice(PERSON_VERBS), rng.choice(OBJECT_VERBS), maybe(rng, OCCASIONS)
    action = f"{thing.base} {a_thing(rng)}"
    kind = rng.randrange(3)
    if flip(rng):
        right, wrong = pronoun.subject, pronoun.object
        frame = (
            f"{{}} {done.past} {someone} {when}",
            f"{someone} {rng.choice(('hoped', 'said', 'thought'))} that {{}} would {action}",
            f"{noun_phrase(rng.choice(OBJECTS), flip(rng))} that {{}} {thing.past} belonged to {someone}",
        )[kind]
    else:
        right, wrong = pronoun.object, pronoun.subject
        frame = (
            f"{someone} {done.past} {{}} {when}",
            f"{someone} {rng.choice(('wanted', 'allowed', 'advised', 'forced'))} {{}} to {action}",
            f"{someone} {rng.choice(INTRANSITIVES).past} {rng.choice(BESIDE)} {{}} {when}",
        )[kind]
    return twins(frame.format(right), frame.format(wrong))


def filler_gap(rng: random.Random) -> Twins:
    """A question word needs a gap, and a gap a question word."""
    knower, speaker, agent, whom = rng.sample(PEOPLE, 4)
    plural = flip(rng)
    if flip(rng):
        word, verb, target = "who", rng.choice(PERSON_VERBS), a_person(rng, whom, flip(rng))
    else:
        word, verb, target = "what", rng.choice(OBJECT_VERBS), a_thing(rng)
    clause = f"{a_person(rng, agent, flip(rng))} {verb.past}"
    if flip(rng):
        said = rng.choice(("said", "claimed", "thought", "believed"))
        clause = f"{noun_phrase(speaker, flip(rng))} {said} that {clause}"
    start = f"{noun_phrase(knower, plural)} {_knows(rng, plural)}"
    when = maybe(rng, OCCASIONS, 0.3)
    # A question word needs a gap in its clause, and "that" forbids one.
    if flip(rng):
        return twins(f"{start} {word} {clause} {when}", f"{start} that {clause} {when}")
    return twins(f"{start} that {clause} {target} {when}", f"{start} {word} {clause} {target} {when}")
