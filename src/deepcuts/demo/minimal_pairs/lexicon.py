"""The words of the grammar, by what they can stand for in a sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Noun:
    """A noun in both numbers."""

    singular: str
    plural: str

    def form(self, plural: bool) -> str:
        """The plural, or the singular."""
        return self.plural if plural else self.singular


@dataclass(frozen=True)
class Verb:
    """A verb in its five forms."""

    base: str
    third: str
    past: str
    participle: str
    gerund: str

    def present(self, plural: bool) -> str:
        """The present tense, for a plural subject or a singular one."""
        return self.base if plural else self.third


@dataclass(frozen=True)
class Pronoun:
    """A personal pronoun in both cases."""

    subject: str
    object: str


def word_list(words: str) -> tuple[str, ...]:
    """Read words from a text."""
    return tuple(words.split())


def noun_list(words: str) -> tuple[Noun, ...]:
    """Read nouns from a list of words; `singular/plural` where the plural is more than an added s."""
    read = []
    for word in words.split():
        singular, _, plural = word.partition("/")
        read.append(Noun(singular, plural or singular + "s"))
    return tuple(read)


def verb_list(lines: str) -> tuple[Verb, ...]:
    """Read verbs from lines of five forms: base, third person, past, past participle, gerund."""
    return tuple(Verb(*line.split()) for line in lines.strip().splitlines())


# Nouns. No collective nouns, none with like singular and plural, and no person that is also a common verb,
# which could lend an unacceptable sentence a second, acceptable reading.
PEOPLE = noun_list(
    "teacher doctor lawyer student painter singer farmer baker pilot dancer writer driver tailor sailor "
    "soldier tourist actor artist child/children visitor dentist gardener engineer musician plumber clerk "
    "poet scientist editor mayor manager senator professor boy girl man/men woman/women carpenter detective "
    "hunter"
)
MALE = noun_list("boy man/men king prince monk uncle grandfather gentleman/gentlemen duke nephew grandson")
FEMALE = noun_list(
    "girl woman/women queen princess/princesses nun aunt grandmother lady/ladies duchess/duchesses niece"
)
RELATIVES = tuple(noun for noun in MALE + FEMALE if noun not in PEOPLE)
MALE_NAMES = ("John", "Robert", "David", "Peter", "Thomas", "Michael", "Daniel", "George", "Paul", "Henry")
FEMALE_NAMES = ("Mary", "Susan", "Emily", "Anna", "Sarah", "Linda", "Alice", "Laura", "Helen", "Julia")
ANIMALS = noun_list("horse lion tiger bear elephant wolf/wolves camel eagle dragon")
PLACES = noun_list(
    "garden kitchen library/libraries museum station hotel village castle church/churches school market "
    "office theater hospital courtyard cellar"
)
LANDMARKS = noun_list(
    "fountain tree gate statue window door table bench/benches car house tent bus/buses bridge tower fence "
    "wall"
)
SURFACES = noun_list("table desk shelf/shelves counter bench/benches")
OBJECTS = noun_list(
    "lamp clock camera guitar ladder umbrella chair bicycle radio mirror basket vase toy kite violin "
    "suitcase necklace bracelet wallet telephone computer lantern telescope trumpet helmet doll"
)
TEXTS = noun_list("book story/stories poem article film song report")
PARCELS = noun_list("letter message package postcard gift")
IMAGES = noun_list("painting photograph drawing portrait sketch/sketches picture")
KEYS = noun_list("key")
LOCKED = noun_list("door gate drawer cabinet safe room")

# Verbs with a person or a thing as object. All must have one ("*The boy praised."), or a twin without it
# would be acceptable after all.
PERSON_VERBS = verb_list(
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
STATIVE_VERBS = verb_list(
    """
    admire admires admired admired admiring
    envy envies envied envied envying
    respect respects respected respected respecting
    like likes liked liked liking
    avoid avoids avoided avoided avoiding
    trust trusts trusted trusted trusting
    """
)
OBJECT_VERBS = verb_list(
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
PLAIN_OBJECT_VERBS = tuple(
    verb for verb in OBJECT_VERBS if verb.base not in {"find", "mention", "discover", "describe"}
)
# Three different forms (base, participle, gerund), and no second object: "is bought the lamp" would be the
# passive of "buy someone the lamp".
AUXILIARY_OBJECT_VERBS = tuple(
    verb for verb in OBJECT_VERBS if verb.base not in {"find", "fetch", "acquire", "obtain", "fix"}
) + verb_list(
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
INTRANSITIVES = verb_list(
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
ARRIVALS = verb_list(
    """
    arrive arrives arrived arrived arriving
    fall falls fell fallen falling
    disappear disappears disappeared disappeared disappearing
    """
)
# Verbs that take their one person only through this preposition.
PREPOSITIONAL = (
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
REFLEXIVE_VERBS = word_list(
    "blamed praised admired hurt defended embarrassed introduced criticized comforted photographed "
    "described injured distracted amused protected surprised"
)

# Adjectives. Those before a noun and those in a predicate don't overlap: no "the tired boy is tired".
PERSON_ADJECTIVES = word_list("tall friendly famous polite clever brave young old gentle cheerful")
AGELESS_ADJECTIVES = word_list("tall friendly famous polite clever brave cheerful")
STATES = word_list("tired hungry thirsty busy nervous sick ready worried bored late cold lonely")
OBJECT_ADJECTIVES = word_list("old new small large cheap expensive beautiful strange red blue green yellow")
PLACE_ADJECTIVES = word_list("old new small large beautiful quiet crowded")

BESIDE = ("near", "beside", "behind", "next to", "in front of")
FREQUENCY = ("often", "always", "rarely", "usually", "sometimes")
OCCASIONS = tuple(
    f"{when} the {what}"
    for when in ("before", "after", "during")
    for what in word_list("concert meeting party wedding trial lecture dinner festival")
)
PRONOUNS = (
    Pronoun("he", "him"),
    Pronoun("she", "her"),
    Pronoun("they", "them"),
    Pronoun("we", "us"),
    Pronoun("I", "me"),
)
OBJECT_QUALITIES = word_list("valuable missing ordinary perfect useless special dirty fragile")
OBJECT_FATES = word_list("stolen damaged sold found destroyed returned lost")


def _content_words() -> dict[str, str]:
    """Map each form of each content word to one that stands for the whole word."""
    lemmas: dict[str, str] = {}
    nouns = (
        *(PEOPLE + MALE + FEMALE + ANIMALS + PLACES + LANDMARKS + SURFACES),
        *(OBJECTS + TEXTS + PARCELS + IMAGES + KEYS + LOCKED),
    )
    for noun in nouns:
        lemmas[noun.singular] = lemmas[noun.plural] = noun.singular
    verbs = (
        *(PERSON_VERBS + STATIVE_VERBS + OBJECT_VERBS + AUXILIARY_OBJECT_VERBS),
        *(INTRANSITIVES + ARRIVALS),
    )
    for verb in verbs:
        for form in (verb.base, verb.third, verb.past, verb.participle, verb.gerund):
            lemmas[form] = verb.base
    plain = (
        *(REFLEXIVE_VERBS + PERSON_ADJECTIVES + STATES + OBJECT_ADJECTIVES + PLACE_ADJECTIVES),
        *(OBJECT_QUALITIES + OBJECT_FATES),
        *(name.lower() for name in MALE_NAMES + FEMALE_NAMES),
        *(word for word, _ in PREPOSITIONAL),
    )
    for word in plain:
        lemmas.setdefault(word, word)
    return lemmas


_LEMMAS = _content_words()


def content_list(sentence: str) -> list[str]:
    """The content words of a sentence in order, each in one form for all."""
    return [_LEMMAS[word] for word in re.findall("[a-z]+", sentence.lower()) if word in _LEMMAS]


def content(sentence: str) -> frozenset[str]:
    """The content words of a sentence, whatever their number, tense and order."""
    return frozenset(content_list(sentence))
