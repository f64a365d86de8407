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
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from deepcuts.errors import InputError, InvariantError

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


@dataclass(frozen=True)
class _Noun:
    singular: str
    plural: str

    def form(self, plural: bool) -> str:
        return self.plural if plural else self.singular


@dataclass(frozen=True)
class _Verb:
    base: str
    third: str
    past: str
    participle: str
    gerund: str

    def present(self, plural: bool) -> str:
        return self.base if plural else self.third


@dataclass(frozen=True)
class _Pronoun:
    subject: str
    object: str


_Twins = tuple[str, str]
"""The acceptable and the unacceptable sentence."""


def _words(words: str) -> tuple[str, ...]:
    return tuple(words.split())


def _nouns(words: str) -> tuple[_Noun, ...]:
    """Read nouns from a list of words; `singular/plural` where the plural is more than an added s."""
    read = []
    for word in words.split():
        singular, _, plural = word.partition("/")
        read.append(_Noun(singular, plural or singular + "s"))
    return tuple(read)


def _verbs(lines: str) -> tuple[_Verb, ...]:
    """Read verbs from lines of five forms: base, third person, past, past participle, gerund."""
    return tuple(_Verb(*line.split()) for line in lines.strip().splitlines())


# Nouns. No collective nouns, none with like singular and plural, and no person that is also a common verb,
# which could lend an unacceptable sentence a second, acceptable reading.
_PEOPLE = _nouns(
    "teacher doctor lawyer student painter singer farmer baker pilot dancer writer driver tailor sailor "
    "soldier tourist actor artist child/children visitor dentist gardener engineer musician plumber clerk "
    "poet scientist editor mayor manager senator professor boy girl man/men woman/women carpenter detective "
    "hunter"
)
_MALE = _nouns("boy man/men king prince monk uncle grandfather gentleman/gentlemen duke nephew grandson")
_FEMALE = _nouns(
    "girl woman/women queen princess/princesses nun aunt grandmother lady/ladies duchess/duchesses niece"
)
_RELATIVES = tuple(noun for noun in _MALE + _FEMALE if noun not in _PEOPLE)
_MALE_NAMES = ("John", "Robert", "David", "Peter", "Thomas", "Michael", "Daniel", "George", "Paul", "Henry")
_FEMALE_NAMES = ("Mary", "Susan", "Emily", "Anna", "Sarah", "Linda", "Alice", "Laura", "Helen", "Julia")
_ANIMALS = _nouns("horse lion tiger bear elephant wolf/wolves camel eagle dragon")
_PLACES = _nouns(
    "garden kitchen library/libraries museum station hotel village castle church/churches school market "
    "office theater hospital courtyard cellar"
)
_LANDMARKS = _nouns(
    "fountain tree gate statue window door table bench/benches car house tent bus/buses bridge tower fence "
    "wall"
)
_SURFACES = _nouns("table desk shelf/shelves counter bench/benches")
_OBJECTS = _nouns(
    "lamp clock camera guitar ladder umbrella chair bicycle radio mirror basket vase toy kite violin "
    "suitcase necklace bracelet wallet telephone computer lantern telescope trumpet helmet doll"
)
_TEXTS = _nouns("book story/stories poem article film song report")
_PARCELS = _nouns("letter message package postcard gift")
_IMAGES = _nouns("painting photograph drawing portrait sketch/sketches picture")
_KEYS = _nouns("key")
_LOCKED = _nouns("door gate drawer cabinet safe room")

# Verbs with a person or a thing as object. All must have one ("*The boy praised."), or a twin without it
# would be acceptable after all.
_PERSON_VERBS = _verbs(
    """
    praise praises praised praised praising
    blame blames blamed blamed blaming
    thank thanks thanked thanked thanking
    greet greets greeted greeted greeting
    invite invites invited invited inviting
    insult insults insulted insulted insulting
    ignore ignores ignored ignored ignoring
    rescue rescues rescued rescued rescuing
    console consoles consoled consoled consoling
    encourage encourages encouraged encouraged encouraging
    comfort comforts comforted comforted comforting
    annoy annoys annoyed annoyed annoying
    congratulate congratulates congratulated congratulated congratulating
    embarrass embarrasses embarrassed embarrassed embarrassing
    welcome welcomes welcomed welcomed welcoming
    accompany accompanies accompanied accompanied accompanying
    reward rewards rewarded rewarded rewarding
    humiliate humiliates humiliated humiliated humiliating
    betray betrays betrayed betrayed betraying
    """
)
_STATIVE_VERBS = _verbs(
    """
    admire admires admired admired admiring
    envy envies envied envied envying
    respect respects respected respected respecting
    like likes liked liked liking
    avoid avoids avoided avoided avoiding
    trust trusts trusted trusted trusting
    """
)
_OBJECT_VERBS = _verbs(
    """
    repair repairs repaired repaired repairing
    find finds found found finding
    damage damages damaged damaged damaging
    destroy destroys destroyed destroyed destroying
    inspect inspects inspected inspected inspecting
    acquire acquires acquired acquired acquiring
    mention mentions mentioned mentioned mentioning
    fetch fetches fetched fetched fetching
    discover discovers discovered discovered discovering
    obtain obtains obtained obtained obtaining
    locate locates located located locating
    describe describes described described describing
    fix fixes fixed fixed fixing
    discard discards discarded discarded discarding
    abandon abandons abandoned abandoned abandoning
    conceal conceals concealed concealed concealing
    """
)
# Not followed by a clause, so that "that" after them can only be a determiner.
_PLAIN_OBJECT_VERBS = tuple(
    verb for verb in _OBJECT_VERBS if verb.base not in {"find", "mention", "discover", "describe"}
)
# Three different forms (base, participle, gerund), and no second object: "is bought the lamp" would be the
# passive of "buy someone the lamp".
_AUXILIARY_OBJECT_VERBS = tuple(
    verb for verb in _OBJECT_VERBS if verb.base not in {"find", "fetch", "acquire", "obtain", "fix"}
) + _verbs(
    """
    hide hides hid hidden hiding
    steal steals stole stolen stealing
    break breaks broke broken breaking
    shake shakes shook shaken shaking
    examine examines examined examined examining
    touch touches touched touched touching
    borrow borrows borrowed borrowed borrowing
    """
)
_INTRANSITIVES = _verbs(
    """
    sneeze sneezes sneezed sneezed sneezing
    snore snores snored snored snoring
    yawn yawns yawned yawned yawning
    frown frowns frowned frowned frowning
    giggle giggles giggled giggled giggling
    blush blushes blushed blushed blushing
    shiver shivers shivered shivered shivering
    tremble trembles trembled trembled trembling
    hesitate hesitates hesitated hesitated hesitating
    complain complains complained complained complaining
    sleep sleeps slept slept sleeping
    smile smiles smiled smiled smiling
    laugh laughs laughed laughed laughing
    cough coughs coughed coughed coughing
    faint faints fainted fainted fainting
    kneel kneels knelt knelt kneeling
    stumble stumbles stumbled stumbled stumbling
    apologize apologizes apologized apologized apologizing
    """
)
_ARRIVALS = _verbs(
    """
    arrive arrives arrived arrived arriving
    fall falls fell fallen falling
    disappear disappears disappeared disappeared disappearing
    """
)
# Verbs that take their one person only through this preposition.
_PREPOSITIONAL = (
    ("listened", "to"),
    ("waited", "for"),
    ("relied", "on"),
    ("looked", "at"),
    ("smiled", "at"),
    ("laughed", "at"),
    ("apologized", "to"),
    ("argued", "with"),
    ("complained", "to"),
    ("disagreed", "with"),
)
_REFLEXIVE_VERBS = _words(
    "blamed praised admired hurt defended embarrassed introduced criticized comforted photographed "
    "described injured distracted amused protected surprised"
)

# Adjectives. Those before a noun and those in a predicate don't overlap: no "the tired boy is tired".
_PERSON_ADJECTIVES = _words("tall friendly famous polite clever brave young old gentle cheerful")
_AGELESS_ADJECTIVES = _words("tall friendly famous polite clever brave cheerful")
_STATES = _words("tired hungry thirsty busy nervous sick ready worried bored late cold lonely")
_OBJECT_ADJECTIVES = _words("old new small large cheap expensive beautiful strange red blue green yellow")
_PLACE_ADJECTIVES = _words("old new small large beautiful quiet crowded")

_BESIDE = ("near", "beside", "behind", "next to", "in front of")
_FREQUENCY = ("often", "always", "rarely", "usually", "sometimes")
_OCCASIONS = tuple(
    f"{when} the {what}"
    for when in ("before", "after", "during")
    for what in _words("concert meeting party wedding trial lecture dinner festival")
)
_PRONOUNS = (
    _Pronoun("he", "him"),
    _Pronoun("she", "her"),
    _Pronoun("they", "them"),
    _Pronoun("we", "us"),
    _Pronoun("I", "me"),
)


def _flip(rng: random.Random) -> bool:
    return rng.random() < 0.5


def _other_number(rng: random.Random, plural: bool) -> bool:
    """The number of a noun between subject and verb: mostly the opposite, so that the nearest misleads."""
    return plural if rng.random() < 0.4 else not plural


def _the(noun: _Noun, plural: bool, adjective: str = "") -> str:
    return f"the {adjective + ' ' if adjective else ''}{noun.form(plural)}"


def _maybe(rng: random.Random, words: Sequence[str], chance: float = 0.5) -> str:
    return rng.choice(words) if rng.random() < chance else ""


def _person(rng: random.Random, noun: _Noun, plural: bool) -> str:
    """A person, with an adjective at times."""
    return _the(noun, plural, _maybe(rng, _PERSON_ADJECTIVES, 0.35))


def _object(rng: random.Random) -> str:
    """A thing of either number, with an adjective at times."""
    return _the(rng.choice(_OBJECTS), _flip(rng), _maybe(rng, _OBJECT_ADJECTIVES, 0.35))


def _where(rng: random.Random) -> str:
    """A place where something happens."""
    if _flip(rng):
        return f"in {_the(rng.choice(_PLACES), False, _maybe(rng, _PLACE_ADJECTIVES, 0.3))}"
    return f"{rng.choice(_BESIDE)} {_the(rng.choice(_LANDMARKS), _flip(rng))}"


def _written(text: str, end: str = ".") -> str:
    """The sentence as written: one space between words, a capital, and the closing mark."""
    text = " ".join(text.split())
    return text[0].upper() + text[1:] + end


def _twins(acceptable: str, unacceptable: str, end: str = ".") -> _Twins:
    return _written(acceptable, end), _written(unacceptable, end)


def _be(plural: bool, past: bool) -> str:
    if past:
        return "were" if plural else "was"
    return "are" if plural else "is"


def _have(plural: bool) -> str:
    return "have" if plural else "has"


# Predicates that mark number, as (with a singular subject, with a plural one).


def _person_predicate(rng: random.Random) -> tuple[str, str]:
    kind = rng.randrange(5)
    if kind == 0:
        state, past, still = (
            rng.choice(_STATES),
            _flip(rng),
            _maybe(rng, ("still", "probably", "already"), 0.3),
        )
        return f"{_be(False, past)} {still} {state}", f"{_be(True, past)} {still} {state}"
    if kind == 1:
        state = rng.choice(_STATES)
        return f"seems {state}", f"seem {state}"
    if kind == 2:
        done = rng.choice((*_INTRANSITIVES, *_ARRIVALS)).participle
        often = _maybe(rng, ("already", "probably", "just", "never"))
        return f"has {often} {done}", f"have {often} {done}"
    if kind == 3:
        verb, often, where = rng.choice(_INTRANSITIVES), _maybe(rng, _FREQUENCY), _where(rng)
        return f"{often} {verb.third} {where}", f"{often} {verb.base} {where}"
    verb = rng.choice(_STATIVE_VERBS)
    whom = _the(rng.choice(_RELATIVES), _flip(rng))
    return f"{verb.third} {whom}", f"{verb.base} {whom}"


def _thing_predicate(rng: random.Random, adjectives: Sequence[str], fates: Sequence[str]) -> tuple[str, str]:
    kind = rng.randrange(3)
    if kind == 0:
        quality, past, still = rng.choice(adjectives), _flip(rng), _maybe(rng, ("still", "probably"), 0.3)
        return f"{_be(False, past)} {still} {quality}", f"{_be(True, past)} {still} {quality}"
    if kind == 1:
        quality = rng.choice(adjectives)
        return f"seems {quality}", f"seem {quality}"
    fate, when = rng.choice(fates), _maybe(rng, _OCCASIONS)
    if _flip(rng):
        return f"was {fate} {when}", f"were {fate} {when}"
    return f"has been {fate}", f"have been {fate}"


_OBJECT_QUALITIES = _words("valuable missing ordinary perfect useless special dirty fragile")
_OBJECT_FATES = _words("stolen damaged sold found destroyed returned lost")


def _thing_subject(rng: random.Random, plural: bool, attractor: bool) -> tuple[str, tuple[str, str]]:
    """A thing with a phrase after it, and a predicate that suits such a thing."""
    kind = rng.randrange(5)
    if kind == 0:
        about = rng.choice(_PEOPLE + _ANIMALS)
        subject = f"{_the(rng.choice(_TEXTS), plural)} about {_the(about, attractor)}"
        predicate = _thing_predicate(
            rng,
            _words("long boring popular strange wonderful sad funny famous"),
            _words("praised rejected forgotten criticized admired"),
        )
    elif kind == 1:
        sender = rng.choice(_PEOPLE)
        subject = (
            f"{_the(rng.choice(_PARCELS), plural)} {rng.choice(('from', 'for'))} {_the(sender, attractor)}"
        )
        predicate = _thing_predicate(
            rng,
            _words("late missing important strange lovely"),
            _words("lost stolen found returned delivered"),
        )
    elif kind == 2:
        shown = rng.choice(_PEOPLE + _ANIMALS + _PLACES)
        subject = f"{_the(rng.choice(_IMAGES), plural)} of {_the(shown, attractor)}"
        predicate = _thing_predicate(
            rng, _words("old missing famous strange beautiful valuable"), _OBJECT_FATES
        )
    elif kind == 3:
        adjective = _maybe(rng, ("small", "large", "heavy", "golden", "rusty"), 0.7)
        subject = f"{_the(_KEYS[0], plural, adjective)} to {_the(rng.choice(_LOCKED), attractor)}"
        predicate = _thing_predicate(
            rng, _OBJECT_QUALITIES, ("stolen", "found", "returned", "lost", "hidden")
        )
    else:
        adjective = _maybe(rng, _OBJECT_ADJECTIVES, 0.4)
        where = rng.choice(("on", "near", "behind"))
        thing = _the(rng.choice(_OBJECTS), plural, adjective)
        subject = f"{thing} {where} {_the(rng.choice(_SURFACES), attractor)}"
        predicate = _thing_predicate(rng, _OBJECT_QUALITIES, _OBJECT_FATES)
    return subject, predicate


def _agreement_across_phrase(rng: random.Random) -> _Twins:
    plural = _flip(rng)
    attractor = _other_number(rng, plural)
    if _flip(rng):
        subject, predicate = _thing_subject(rng, plural, attractor)
    else:
        head, other = rng.sample(_PEOPLE, 2)
        person = _person(rng, head, plural)
        kind = rng.randrange(4)
        if kind == 0:
            subject = f"{person} {rng.choice(_BESIDE)} {_the(other, attractor)}"
        elif kind == 1:
            subject = f"{person} {rng.choice(_BESIDE)} {_the(rng.choice(_LANDMARKS), attractor)}"
        elif kind == 2:
            subject = (
                f"{person} with {_the(rng.choice(_OBJECTS), attractor, _maybe(rng, _OBJECT_ADJECTIVES))}"
            )
        else:
            subject = f"{person} from {_the(rng.choice(_PLACES), attractor, _maybe(rng, _PLACE_ADJECTIVES))}"
        predicate = _person_predicate(rng)
    return _twins(f"{subject} {predicate[plural]}", f"{subject} {predicate[not plural]}")


def _agreement_across_clause(rng: random.Random) -> _Twins:
    plural = _flip(rng)
    attractor = _other_number(rng, plural)
    head, other = rng.sample(_PEOPLE, 2)
    kind = rng.randrange(5)
    if kind == 0:
        thing = _the(rng.choice(_OBJECTS), plural, _maybe(rng, _OBJECT_ADJECTIVES, 0.35))
        subject = f"{thing} that {_person(rng, other, attractor)} {rng.choice(_OBJECT_VERBS).past}"
        predicate = _thing_predicate(rng, _OBJECT_QUALITIES, ("stolen", "sold", "returned"))
    else:
        person, rival = _person(rng, head, plural), _person(rng, other, attractor)
        done, feeling = rng.choice(_PERSON_VERBS), rng.choice(_STATIVE_VERBS)
        subject = {
            1: f"{person} who {done.past} {rival}",
            2: f"{person} that {rival} {done.past}",
            3: f"{person} who {feeling.present(plural)} {rival}",
            4: f"{person} that {rival} {feeling.present(attractor)}",
        }[kind]
        predicate = _person_predicate(rng)
    return _twins(f"{subject} {predicate[plural]}", f"{subject} {predicate[not plural]}")


def _determiner_noun(rng: random.Random) -> _Twins:
    plural = _flip(rng)
    near = _flip(rng)
    demonstratives = ("this", "these") if near else ("that", "those")
    # Past tense throughout: a verb must not side with the determiner or the noun.
    if _flip(rng):
        head, other = rng.sample(_PEOPLE, 2)
        start = f"{_person(rng, head, _flip(rng))} {rng.choice(_PLAIN_OBJECT_VERBS).past}"
        noun = f"{_maybe(rng, _OBJECT_ADJECTIVES, 0.7)} {rng.choice(_OBJECTS).form(plural)}"
        end = rng.choice((_where(rng), rng.choice(_OCCASIONS), f"with {_the(other, _flip(rng))}", ""))
    else:
        head, other = rng.sample(_PEOPLE, 2)
        start = ""
        noun = f"{_maybe(rng, _PERSON_ADJECTIVES, 0.7)} {head.form(plural)}"
        end = rng.choice(
            (
                f"{rng.choice(_PERSON_VERBS).past} {_person(rng, other, _flip(rng))}",
                f"{rng.choice(_OBJECT_VERBS).past} {_object(rng)}",
                f"{rng.choice(_INTRANSITIVES).past} {_where(rng)}",
            )
        )
    return _twins(
        f"{start} {demonstratives[plural]} {noun} {end}",
        f"{start} {demonstratives[not plural]} {noun} {end}",
    )


_REFLEXIVES = ("himself", "herself", "themselves")


def _referent(rng: random.Random, category: int) -> str:
    """Someone whom the reflexive of this category fits, and no other: a man, a woman, or several people."""
    if category == 2:
        return _the(rng.choice(_PEOPLE + _MALE + _FEMALE), True, _maybe(rng, _AGELESS_ADJECTIVES, 0.25))
    if rng.random() < 0.3:
        return rng.choice((_MALE_NAMES, _FEMALE_NAMES)[category])
    return _the(rng.choice((_MALE, _FEMALE)[category]), False, _maybe(rng, _AGELESS_ADJECTIVES, 0.25))


def _reflexive(rng: random.Random) -> _Twins:
    # Mostly the wrong reflexive fits someone else in the sentence, who is not the subject of its clause.
    category, wrong = rng.sample(range(3), 2)
    subject, other = _referent(rng, category), _referent(rng, wrong)
    verb, done = rng.choice(_REFLEXIVE_VERBS), rng.choice(_PERSON_VERBS + _STATIVE_VERBS).past
    said = rng.choice(("said", "believed", "knew", "claimed", "thought"))
    starts = [f"{subject} {verb}", f"{other} {said} that {subject} had {verb}"]
    # What narrows the reference does not follow a name.
    if subject.startswith("the "):
        starts += [
            f"{subject} who {done} {other} {verb}",
            f"{subject} that {other} {done} {verb}",
            f"{subject} {rng.choice(_BESIDE)} {other} {verb}",
        ]
    start, when = rng.choice(starts), _maybe(rng, _OCCASIONS, 0.7)
    return _twins(f"{start} {_REFLEXIVES[category]} {when}", f"{start} {_REFLEXIVES[wrong]} {when}")


def _polarity(rng: random.Random) -> _Twins:
    # The licensing word is in both twins; in the unacceptable one it does not command "ever" or "any".
    head, other, third = rng.sample(_PEOPLE, 3)
    plural, rival = _flip(rng), _flip(rng)
    person, whom = head.form(plural), other.form(rival)
    done, place = rng.choice(_PERSON_VERBS), rng.choice(_PLACES).singular
    visited = f"{rng.choice(_words('visited seen left entered photographed described'))} the {place}"
    ever = f"{_have(plural)} ever {visited}"
    kind = rng.randrange(5)
    if kind == 0:
        return _twins(
            f"no {person} who {done.past} the {whom} {ever}",
            f"the {person} who {done.past} no {whom} {ever}",
        )
    if kind == 1:
        return _twins(
            f"no {person} that the {whom} {done.past} {ever}",
            f"the {person} that no {whom} {done.past} {ever}",
        )
    if kind == 2:
        praised = f"{_have(plural)} ever {done.participle}"
        where = _where(rng)
        return _twins(
            f"no {person} {praised} the {whom} {where}", f"the {person} {praised} no {whom} {where}"
        )
    if kind == 3:
        return _twins(
            f"only the {person} who {done.past} the {whom} {ever}",
            f"the {person} who {done.past} only the {whom} {ever}",
        )
    met = f"{rng.choice(_PERSON_VERBS).participle} any {third.plural}"
    return _twins(
        f"the {person} who had {done.participle} the {whom} had not {met}",
        f"the {person} who had not {done.participle} the {whom} had {met}",
    )


def _auxiliary_form(rng: random.Random) -> _Twins:
    head, other = rng.sample(_PEOPLE, 2)
    plural, past = _flip(rng), _flip(rng)
    if _flip(rng):
        verb, target = rng.choice(_AUXILIARY_OBJECT_VERBS), _object(rng)
    else:
        verb, target = rng.choice(_PERSON_VERBS), _person(rng, other, _flip(rng))
    auxiliaries = (
        "had" if past else _have(plural),
        _be(plural, past),
        rng.choice(("will", "can", "must", "should", "might", "did not")),
    )
    forms = (verb.participle, verb.gerund, verb.base)
    kind, wrong = rng.sample(range(3), 2)
    subject = _person(rng, head, plural)
    if rng.random() < 0.3:
        subject += f" {rng.choice(_BESIDE)} {_the(rng.choice(_LANDMARKS), _flip(rng))}"
    adverb = (
        ""
        if auxiliaries[kind] == "did not"
        else _maybe(rng, ("secretly", "quietly", "quickly", "finally", "also"))
    )
    start = f"{subject} {auxiliaries[kind]} {adverb}"
    return _twins(f"{start} {forms[kind]} {target}", f"{start} {forms[wrong]} {target}")


def _knows(rng: random.Random, plural: bool) -> str:
    """A verb whose clause may be a question; none of those that tolerate its inversion, such as "ask"."""
    return rng.choice(
        (
            "know" if plural else "knows",
            "remember" if plural else "remembers",
            f"{_have(plural)} forgotten",
            "will explain",
            "cannot remember",
            f"{_have(plural)} discovered",
        )
    )


def _inversion(rng: random.Random) -> _Twins:
    head, other = rng.sample(_PEOPLE, 2)
    plural, past = _flip(rng), _flip(rng)
    person = _person(rng, head, plural)
    if rng.random() < 0.4:
        # The auxiliary of the main clause comes first, not that of the relative clause.
        be, state, modal = (
            _be(plural, False),
            rng.choice(_STATES),
            rng.choice(("can", "will", "should", "must")),
        )
        action = rng.choice(
            (
                f"{rng.choice(_OBJECT_VERBS).base} {_object(rng)}",
                f"{rng.choice(_PERSON_VERBS).base} {_the(other, _flip(rng))}",
            )
        )
        if _flip(rng):
            return _twins(
                f"{modal} {person} who {be} {state} {action}",
                f"{be} {person} who {state} {modal} {action}",
                "?",
            )
        return _twins(
            f"{be} {person} who {modal} {action} {state}",
            f"{modal} {person} who {action} {be} {state}",
            "?",
        )
    verb = rng.choice(_OBJECT_VERBS)
    auxiliary, form = rng.choice(
        (
            ("had" if past else _have(plural), verb.participle),
            (_be(plural, past), verb.gerund),
            (rng.choice(("will", "can", "should")), verb.base),
        )
    )
    word, target = rng.choice((("what", ""), ("why", _object(rng)), ("where", _object(rng))))
    inverted = f"{word} {auxiliary} {person} {form} {target}"
    straight = f"{word} {person} {auxiliary} {form} {target}"
    # What a main question needs, an embedded one forbids.
    if _flip(rng):
        return _twins(inverted, straight, "?")
    knower = _flip(rng)
    start = f"{_the(other, knower)} {_knows(rng, knower)}"
    return _twins(f"{start} {straight}", f"{start} {inverted}")


def _island(rng: random.Random) -> _Twins:
    head, other = rng.sample(_PEOPLE, 2)
    person = _person(rng, head, _flip(rng))
    if _flip(rng):
        word, target = "who", _person(rng, other, _flip(rng))
        first, second = rng.sample(_PERSON_VERBS, 2)
    else:
        word, target = "what", _object(rng)
        first, second = rng.sample(_OBJECT_VERBS, 2)
    kind = rng.randrange(3)
    if kind == 0:
        start = f"{word} did {person} who {first.past}"
        return _twins(f"{start} {target} {second.base}", f"{start} {second.base} {target}", "?")
    if kind == 1:
        start, later = (
            f"{word} did {person} {first.base}",
            f"{rng.choice(('before', 'after'))} {second.gerund}",
        )
        return _twins(f"{start} {later} {target}", f"{start} {target} {later}", "?")
    word, plural = rng.choice(
        (("which", False), ("which", True), ("whose", False), ("whose", True), ("how many", True))
    )
    thing = f"{_maybe(rng, _OBJECT_ADJECTIVES)} {rng.choice(_OBJECTS).form(plural)}"
    rest = f"did {person} {rng.choice(_OBJECT_VERBS).base}"
    where = _maybe(rng, [_where(rng), rng.choice(_OCCASIONS)])
    return _twins(f"{word} {thing} {rest} {where}", f"{word} {rest} {thing} {where}", "?")


def _existential(rng: random.Random) -> _Twins:
    plural, past = _flip(rng), _flip(rng)
    if rng.random() < 0.6:
        thing = f"{_maybe(rng, _PERSON_ADJECTIVES)} {rng.choice(_PEOPLE).form(plural)}"
        place, preposition = rng.choice(_PLACES), "in"
        if rng.random() < 0.4:
            place, preposition = rng.choice(_LANDMARKS), rng.choice(_BESIDE)
    else:
        thing = f"{_maybe(rng, _OBJECT_ADJECTIVES)} {rng.choice(_OBJECTS).form(plural)}"
        place, preposition = rng.choice(_SURFACES + _PLACES), "near"
        if place in _SURFACES:
            preposition = rng.choice(("on", "near", "behind"))
    spot = f"{_maybe(rng, ('old', 'new', 'small', 'large', 'beautiful'))} {place.form(plural)}"
    if plural:
        weak, strong = (
            rng.choice(("many", "several", "two", "three", "some", "few")),
            rng.choice(("most", "both")),
        )
    else:
        # "a" before either phrase, or the twins would differ in more than the order.
        vowel = any(text.split()[0][0] in "aeiou" for text in (thing, spot))
        weak, strong = "one" if vowel else rng.choice(("a", "one")), rng.choice(("every", "each"))
    be = f"there {_be(plural, past)}"
    if rng.random() < 0.3:
        return _twins(
            f"{preposition} {strong} {spot} {be} {weak} {thing}",
            f"{preposition} {weak} {spot} {be} {strong} {thing}",
        )
    return _twins(
        f"{be} {weak} {thing} {preposition} {strong} {spot}",
        f"{be} {strong} {thing} {preposition} {weak} {spot}",
    )


def _argument_structure(rng: random.Random) -> _Twins:
    head, other = rng.sample(_PEOPLE, 2)
    person = _person(rng, head, _flip(rng))
    when = rng.choice((_where(rng), rng.choice(_OCCASIONS)))
    if _flip(rng):
        with_object, without = rng.choice(_OBJECT_VERBS).past, rng.choice(_INTRANSITIVES).past
        thing = _object(rng)
        if _flip(rng):
            return _twins(f"{person} {with_object} {thing} {when}", f"{person} {without} {thing} {when}")
        return _twins(f"{person} {without} {when}", f"{person} {with_object} {when}")
    direct, (indirect, preposition) = rng.choice(_PERSON_VERBS).past, rng.choice(_PREPOSITIONAL)
    whom = _person(rng, other, _flip(rng))
    if _flip(rng):
        return _twins(f"{person} {direct} {whom} {when}", f"{person} {indirect} {whom} {when}")
    return _twins(
        f"{person} {indirect} {preposition} {whom} {when}", f"{person} {direct} {preposition} {whom} {when}"
    )


def _pronoun_case(rng: random.Random) -> _Twins:
    # Past tense and modals throughout: no agreement with the pronoun to get wrong as well.
    pronoun = rng.choice(_PRONOUNS)
    someone = _person(rng, rng.choice(_PEOPLE), _flip(rng))
    done, thing, when = rng.choice(_PERSON_VERBS), rng.choice(_OBJECT_VERBS), _maybe(rng, _OCCASIONS)
    action = f"{thing.base} {_object(rng)}"
    kind = rng.randrange(3)
    if _flip(rng):
        right, wrong = pronoun.subject, pronoun.object
        frame = (
            f"{{}} {done.past} {someone} {when}",
            f"{someone} {rng.choice(('hoped', 'said', 'thought'))} that {{}} would {action}",
            f"{_the(rng.choice(_OBJECTS), _flip(rng))} that {{}} {thing.past} belonged to {someone}",
        )[kind]
    else:
        right, wrong = pronoun.object, pronoun.subject
        frame = (
            f"{someone} {done.past} {{}} {when}",
            f"{someone} {rng.choice(('wanted', 'allowed', 'advised', 'forced'))} {{}} to {action}",
            f"{someone} {rng.choice(_INTRANSITIVES).past} {rng.choice(_BESIDE)} {{}} {when}",
        )[kind]
    return _twins(frame.format(right), frame.format(wrong))


def _filler_gap(rng: random.Random) -> _Twins:
    knower, speaker, agent, whom = rng.sample(_PEOPLE, 4)
    plural = _flip(rng)
    if _flip(rng):
        word, verb, target = "who", rng.choice(_PERSON_VERBS), _person(rng, whom, _flip(rng))
    else:
        word, verb, target = "what", rng.choice(_OBJECT_VERBS), _object(rng)
    clause = f"{_person(rng, agent, _flip(rng))} {verb.past}"
    if _flip(rng):
        said = rng.choice(("said", "claimed", "thought", "believed"))
        clause = f"{_the(speaker, _flip(rng))} {said} that {clause}"
    start = f"{_the(knower, plural)} {_knows(rng, plural)}"
    when = _maybe(rng, _OCCASIONS, 0.3)
    # A question word needs a gap in its clause, and "that" forbids one.
    if _flip(rng):
        return _twins(f"{start} {word} {clause} {when}", f"{start} that {clause} {when}")
    return _twins(f"{start} that {clause} {target} {when}", f"{start} {word} {clause} {target} {when}")


def _content_words() -> dict[str, str]:
    """Map each form of each content word to one that stands for the whole word."""
    lemmas: dict[str, str] = {}
    nouns = (
        *(_PEOPLE + _MALE + _FEMALE + _ANIMALS + _PLACES + _LANDMARKS + _SURFACES),
        *(_OBJECTS + _TEXTS + _PARCELS + _IMAGES + _KEYS + _LOCKED),
    )
    for noun in nouns:
        lemmas[noun.singular] = lemmas[noun.plural] = noun.singular
    verbs = (
        *(_PERSON_VERBS + _STATIVE_VERBS + _OBJECT_VERBS + _AUXILIARY_OBJECT_VERBS),
        *(_INTRANSITIVES + _ARRIVALS),
    )
    for verb in verbs:
        for form in (verb.base, verb.third, verb.past, verb.participle, verb.gerund):
            lemmas[form] = verb.base
    plain = (
        *(_REFLEXIVE_VERBS + _PERSON_ADJECTIVES + _STATES + _OBJECT_ADJECTIVES + _PLACE_ADJECTIVES),
        *(_OBJECT_QUALITIES + _OBJECT_FATES),
        *(name.lower() for name in _MALE_NAMES + _FEMALE_NAMES),
        *(word for word, _ in _PREPOSITIONAL),
    )
    for word in plain:
        lemmas.setdefault(word, word)
    return lemmas


_LEMMAS = _content_words()


def _content_list(sentence: str) -> list[str]:
    return [_LEMMAS[word] for word in re.findall("[a-z]+", sentence.lower()) if word in _LEMMAS]


def _content(sentence: str) -> frozenset[str]:
    """The content words of a sentence, whatever their number, tense and order."""
    return frozenset(_content_list(sentence))


def _repeats(sentence: str) -> bool:
    words = _content_list(sentence)
    return len(set(words)) < len(words)


def _named(name: str, rule: Callable[[random.Random], _Twins]) -> Callable[[random.Random], Pair]:
    def draw(rng: random.Random) -> Pair:
        while True:
            pair = Pair(name, *rule(rng))
            # "The singer that the boys blamed blamed the boy": grammatical, but hardly natural.
            if not _repeats(pair.acceptable) and not _repeats(pair.unacceptable):
                return pair

    return draw


PHENOMENA: Mapping[str, Callable[[random.Random], Pair]] = MappingProxyType(
    {
        name: _named(name, rule)
        for name, rule in (
            ("subject-verb agreement across a prepositional phrase", _agreement_across_phrase),
            ("subject-verb agreement across a relative clause", _agreement_across_clause),
            ("determiner-noun agreement", _determiner_noun),
            ("reflexive agreement", _reflexive),
            ("negative polarity licensing", _polarity),
            ("auxiliary and verb form", _auxiliary_form),
            ("subject-auxiliary inversion", _inversion),
            ("extraction from islands", _island),
            ("quantifiers in existential sentences", _existential),
            ("argument structure", _argument_structure),
            ("pronoun case", _pronoun_case),
            ("filler-gap dependency", _filler_gap),
        )
    }
)
"""For each phenomenon, a function that draws one of its pairs."""

BASIC = (
    "subject-verb agreement across a prepositional phrase",
    "determiner-noun agreement",
    "reflexive agreement",
    "negative polarity licensing",
    "quantifiers in existential sentences",
    "subject-auxiliary inversion",
    "pronoun case",
)
"""Phenomena of which a small encoder learns most in a few hundred steps; agreement takes it far longer."""


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
            if used.isdisjoint(twins) and not any(held_out and _content(twin) in held_out for twin in twins):
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
    held_out = frozenset(_content(sentence) for sentence, _ in dev_items)
    rng = random.Random(f"minimal pairs, train, {seed}")
    return _labelled(_draw(train // 2, rng, phenomena, held_out), rng), dev_items


def _labelled(drawn: Sequence[Pair], rng: random.Random) -> list[tuple[str, int]]:
    items = [item for pair in drawn for item in ((pair.acceptable, 1), (pair.unacceptable, 0))]
    rng.shuffle(items)
    return items
