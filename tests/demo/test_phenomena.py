"""Each phenomenon's pairs are what grammar says, checked by rules that are not the generator's."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from sentences import bag, words

import deepcuts.demo.minimal_pairs.lexicon as lexicon
from deepcuts.common.errors import InputError
from deepcuts.demo.minimal_pairs import PHENOMENA, Pair, minimal_pairs, pairs

NAMES = list(PHENOMENA)


def _set(words: str) -> set[str]:
    return set(words.split())


ADJECTIVES = _set(
    "tall friendly famous polite clever brave young old gentle cheerful new small large cheap expensive "
    "beautiful strange red blue green yellow heavy golden rusty"
)


IRREGULAR_PLURALS = {"children", "men", "women", "gentlemen"}
WOMEN = _set("girl woman queen princess nun aunt grandmother lady duchess niece")
MEN = _set("boy man king prince monk uncle grandfather gentleman duke nephew grandson")
FEMALE_NAMES = _set("Mary Susan Emily Anna Sarah Linda Alice Laura Helen Julia")
MALE_NAMES = _set("John Robert David Peter Thomas Michael Daniel George Paul Henry")
NOT_PLURAL = {"princess", "duchess", "bus"}


def drawn(name: str, count: int = 400, seed: int = 5) -> list[Pair]:
    rng = random.Random(seed)
    return [PHENOMENA[name](rng) for _ in range(count)]


def is_plural(noun: str) -> bool:
    return noun in IRREGULAR_PLURALS or (noun.endswith("s") and noun not in NOT_PLURAL)


def swapped(pair: Pair) -> tuple[int, str, str]:
    """Where the twins differ, and in what: for twins that differ in one word."""
    right, wrong = words(pair.acceptable), words(pair.unacceptable)
    assert len(right) == len(wrong), pair
    places = [place for place, (one, other) in enumerate(zip(right, wrong, strict=True)) if one != other]
    assert len(places) == 1, pair
    return places[0], right[places[0]], wrong[places[0]]


# The pairs


def test_pairs_share_no_sentence_and_take_the_phenomena_about_equally_often():
    made = pairs(1000, seed=6)
    assert len({sentence for pair in made for sentence in (pair.acceptable, pair.unacceptable)}) == 2000
    counts = Counter(pair.phenomenon for pair in made)
    assert set(counts) == set(NAMES)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_there_are_enough_phenomena():
    assert len(NAMES) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_twins_differ_but_are_written_alike(name):
    for pair in drawn(name):
        assert pair.phenomenon == name
        assert pair.acceptable != pair.unacceptable
        assert pair.acceptable[-1] == pair.unacceptable[-1]
        for sentence in (pair.acceptable, pair.unacceptable):
            assert re.fullmatch(r"[A-Z][A-Za-z]*( [A-Za-z]+)+[.?]", sentence), sentence
            assert not re.search(r"\b(\w+) \1\b", sentence), sentence
            capitals = {word for word in words(sentence)[1:] if word[0].isupper()}
            assert capitals <= FEMALE_NAMES | MALE_NAMES | {"I"}, sentence


@pytest.mark.parametrize("name", NAMES)
def test_a_comes_before_no_vowel(name):
    for pair in drawn(name):
        for sentence in (pair.acceptable, pair.unacceptable):
            assert not re.search(r"\b[Aa] [aeiou]", sentence), sentence


@pytest.mark.parametrize(
    "name",
    [
        "negative polarity licensing",
        "subject-auxiliary inversion",
        "extraction from islands",
        "quantifiers in existential sentences",
    ],
)
def test_twins_that_differ_in_order_hold_the_same_words(name):
    for pair in drawn(name):
        assert bag(pair.acceptable) == bag(pair.unacceptable), pair


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("subject-verb agreement")])
def test_the_verb_agrees_with_the_head_noun_and_not_with_the_attractor(name):
    # Every singular form here ends in s (is, was, has, seems, laughs) and no plural one does.
    after_head = {"near", "beside", "behind", "next", "in", "with", "from", "for", "about", "of", "to", "on"}
    if name.endswith("clause"):
        after_head = {"who", "that"}
    seen = Counter()
    for pair in drawn(name):
        tokens = words(pair.acceptable)
        boundary = next(place for place, word in enumerate(tokens) if word in after_head)
        place, right, wrong = swapped(pair)
        assert 1 < boundary < place
        assert set(tokens[1 : boundary - 1]) <= ADJECTIVES, pair
        plural = is_plural(tokens[boundary - 1])
        assert right.endswith("s") is not plural, pair
        assert wrong.endswith("s") is plural, pair
        seen[plural, right] += 1
    for verbs in (("is", "are"), ("was", "were"), ("has", "have"), ("seems", "seem")):
        assert seen[False, verbs[0]] >= 5
        assert seen[True, verbs[1]] >= 5


def test_the_nearest_noun_is_a_bad_guide_to_the_verb():
    misled = 0
    made = drawn("subject-verb agreement across a prepositional phrase")
    for pair in made:
        place, right, _ = swapped(pair)
        nouns = [
            word
            for word in words(pair.acceptable)[:place]
            if word not in {"often", "always", "rarely", "usually"}
        ]
        misled += is_plural(nouns[-1]) is right.endswith("s")
    assert misled > len(made) * 0.5


def test_demonstratives_agree_with_their_noun():
    seen = Counter()
    for pair in drawn("determiner-noun agreement"):
        place, right, wrong = swapped(pair)
        noun = next(word for word in words(pair.acceptable)[place + 1 :] if word not in ADJECTIVES)
        number = {"this": False, "that": False, "these": True, "those": True}
        assert number[right.lower()] is is_plural(noun), pair
        assert {right.lower(), wrong.lower()} in ({"this", "these"}, {"that", "those"})
        seen[right.lower()] += 1
    assert min(seen[word] for word in ("this", "these", "that", "those")) > 50


def reflexive_for(noun: str) -> str:
    if noun in WOMEN | FEMALE_NAMES:
        return "herself"
    if noun in MEN | MALE_NAMES:
        return "himself"
    assert is_plural(noun), noun
    return "themselves"


def test_reflexives_agree_with_the_subject_of_their_clause():
    seen = Counter()
    for pair in drawn("reflexive agreement"):
        _, right, wrong = swapped(pair)
        assert {right, wrong} < {"himself", "herself", "themselves"}
        said = re.match(r".* (?:said|believed|knew|claimed|thought) that (.*)", pair.acceptable)
        clause = words(said[1] + "." if said else pair.acceptable)
        subject = next(word for word in clause if word.lower() != "the" and word not in ADJECTIVES)
        assert reflexive_for(subject) == right, pair
        seen[right, wrong] += 1
    assert len(seen) == 6
    assert min(seen.values()) > 30


def test_the_wrong_reflexive_mostly_fits_someone_else_in_the_sentence():
    made = drawn("reflexive agreement")
    fits = {"herself": WOMEN | FEMALE_NAMES, "himself": MEN | MALE_NAMES}
    tempted = 0
    for pair in made:
        _, _, wrong = swapped(pair)
        others = [word for word in words(pair.acceptable) if word.lower() != "the"]
        tempted += any(is_plural(word) if wrong == "themselves" else word in fits[wrong] for word in others)
    assert tempted > len(made) * 0.5


def test_auxiliaries_take_their_verb_form():
    irregular = {"hidden", "stolen", "broken", "shaken", "found"}
    kinds = {"has": 0, "have": 0, "had": 0, "is": 1, "are": 1, "was": 1, "were": 1}
    kinds |= dict.fromkeys(("will", "can", "must", "should", "might", "not"), 2)
    seen = Counter()

    def form(verb: str) -> int:
        return 0 if verb.endswith("ed") or verb in irregular else 1 if verb.endswith("ing") else 2

    for pair in drawn("auxiliary and verb form"):
        place, right, wrong = swapped(pair)
        auxiliary = next(word for word in reversed(words(pair.acceptable)[:place]) if word in kinds)
        assert form(right) == kinds[auxiliary] != form(wrong), pair
        seen[form(right), form(wrong)] += 1
    assert len(seen) == 6


def test_pronouns_have_the_case_of_their_place():
    subjects = {"he": "him", "she": "her", "they": "them", "we": "us", "i": "me"}
    objects = {theirs: ours for ours, theirs in subjects.items()}
    seen = Counter()
    for pair in drawn("pronoun case"):
        place, right, wrong = swapped(pair)
        right, wrong = right.lower(), wrong.lower()
        is_subject = place == 0 or words(pair.acceptable)[place - 1] == "that"
        assert (subjects if is_subject else objects)[right] == wrong, pair
        seen[right] += 1
    assert min(seen[pronoun] for pronoun in (*subjects, *objects)) >= 10


def test_a_question_is_inverted_and_an_embedded_one_is_not():
    auxiliaries = {"has", "have", "had", "is", "are", "was", "were", "will", "can", "should", "must"}
    for pair in drawn("subject-auxiliary inversion"):
        right, wrong = words(pair.acceptable), words(pair.unacceptable)
        if right[0].lower() in auxiliaries:
            # The acceptable relative clause keeps its auxiliary.
            assert right[right.index("who") + 1] in auxiliaries, pair
            assert wrong[wrong.index("who") + 1] not in auxiliaries, pair
            assert pair.acceptable.endswith("?")
            continue
        place = next(place for place, word in enumerate(right) if word.lower() in {"what", "why", "where"})
        main = place == 0
        assert (right[place + 1] in auxiliaries) is main, pair
        assert (wrong[place + 1] in auxiliaries) is not main, pair
        assert pair.acceptable.endswith("?") is main


def test_no_strong_quantifier_follows_there_in_the_acceptable_twin():
    there_is = re.compile(r"[Tt]here (?:is|are|was|were) (\w+)")
    for pair in drawn("quantifiers in existential sentences"):
        right, wrong = there_is.search(pair.acceptable), there_is.search(pair.unacceptable)
        assert right
        assert wrong
        assert right[1] in {"a", "one", "many", "several", "two", "three", "some", "few"}
        assert wrong[1] in {"every", "each", "most", "both"}


def test_a_question_word_goes_with_a_gap_and_that_goes_without():
    # Two or more people, and one person or thing more where the object is in place.
    for pair in drawn("filler-gap dependency"):
        _, right, wrong = swapped(pair)
        bare = re.sub(r" (?:before|after|during) the \w+\.$", ".", pair.acceptable)
        speaks = re.search(r"(?:said|claimed|thought|believed) that", pair.acceptable)
        gap = len(re.findall(r"\bthe\b", bare.lower())) == (3 if speaks else 2)
        assert (right in {"who", "what"}) is gap, pair
        assert (wrong == "that") is gap, pair


def test_argument_structure_twins_differ_in_their_verb():
    for pair in drawn("argument structure"):
        _, right, wrong = swapped(pair)
        assert {right, wrong}.isdisjoint(ADJECTIVES)


@pytest.mark.parametrize("name", ["PERSON_VERBS", "OBJECT_VERBS", "AUXILIARY_OBJECT_VERBS"])
def test_verb_forms_are_spelled_by_rule_and_tell_apart_what_they_must(name):
    for verb in getattr(lexicon, name):
        stem = verb.base.removesuffix("e")
        softened = re.sub(r"([^aeiou])y$", r"\1i", verb.base)
        assert verb.gerund == stem + "ing"
        ending = "es" if softened != verb.base or re.search("(sh|ch|ss|x)$", verb.base) else "s"
        assert verb.third == softened + ending
        assert verb.past in {softened.removesuffix("e") + "ed", "found", "hid", "stole", "broke", "shook"}
        assert len({verb.base, verb.participle, verb.gerund}) == 3


def test_some_phenomena_may_be_asked_for_alone():
    train, dev = minimal_pairs(train=40, dev=20, seed=0, phenomena=("pronoun case",))
    assert (len(train), len(dev)) == (40, 20)
    pronouns = {"he", "she", "they", "him", "her", "them", "i", "me", "we", "us"}
    assert all(pronouns & set(text.lower().rstrip(".?").split()) for text, _ in train + dev)
    for wrong in ((), ("spelling",)):
        with pytest.raises(InputError, match="phenomena"):
            minimal_pairs(train=40, dev=20, phenomena=wrong)
