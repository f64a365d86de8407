"""Splits of generated minimal pairs: counts, no leaks, the same everywhere, no shortcuts; their arguments."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from sentences import bag, words

import deepcuts.demo.minimal_pairs as module
from deepcuts.common.errors import InputError
from deepcuts.demo.minimal_pairs import MAX_SENTENCES, PHENOMENA, minimal_pairs, pairs
from deepcuts.demo.minimal_pairs.lexicon import content


@pytest.fixture(scope="module")
def default() -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    return minimal_pairs()


# The splits


def test_default_counts_and_balance(default):
    train, dev = default
    assert (len(train), len(dev)) == (6000, 1000)
    for split in default:
        assert Counter(label for _, label in split) == {0: len(split) // 2, 1: len(split) // 2}
        assert all(type(sentence) is str and type(label) is int for sentence, label in split)


def test_all_sentences_are_distinct_over_both_splits(default):
    sentences = [sentence for split in default for sentence, _ in split]
    assert len(set(sentences)) == len(sentences) == 7000


def test_dev_shares_no_combination_of_content_words_with_train(default):
    train, dev = ({content(sentence) for sentence, _ in split} for split in default)
    assert frozenset() not in train | dev
    assert train.isdisjoint(dev)


def test_content_words_ignore_number_tense_and_order():
    words = content("The key to the cabinets was found near the old bus.")
    assert words == content("Old buses find the keys to the cabinet.")
    assert words != content("The key to the drawers was found near the old bus.")


def test_both_twins_are_in_the_same_split():
    # Twins draw from the same random stream, so the pairs of a split can be drawn again and looked up.
    train, dev = minimal_pairs(240, 120, seed=3)
    again = module._draw(60, random.Random("minimal pairs, dev, 3"), tuple(PHENOMENA))
    assert {(pair.acceptable, 1) for pair in again} | {(pair.unacceptable, 0) for pair in again} == set(dev)
    assert not {pair.acceptable for pair in again} & {sentence for sentence, _ in train}
    assert not {pair.unacceptable for pair in again} & {sentence for sentence, _ in train}


def test_same_seed_same_lists_and_another_seed_others():
    assert minimal_pairs(200, 100, seed=4) == minimal_pairs(200, 100, seed=4)
    (train, dev), (other_train, other_dev) = minimal_pairs(200, 100, seed=4), minimal_pairs(200, 100, seed=5)
    assert train != other_train
    assert dev != other_dev
    assert pairs(50, seed=1) == pairs(50, seed=1) != pairs(50, seed=2)


def test_dev_does_not_depend_on_the_size_of_train():
    assert minimal_pairs(100, 200, seed=9)[1] == minimal_pairs(400, 200, seed=9)[1]


def test_the_items_are_shuffled(default):
    for split in default:
        labels = [label for _, label in split]
        runs = 1 + sum(one != other for one, other in pairwise(labels))
        assert 0.4 < runs / len(labels) < 0.6


@pytest.mark.parametrize("hash_seed", ["1", "77"])
def test_another_process_makes_the_same_lists(hash_seed):
    source = str(Path(module.__file__).parents[3])
    path = os.pathsep.join(part for part in (source, os.environ.get("PYTHONPATH", "")) if part)
    code = (
        "import json; from deepcuts.demo.minimal_pairs import minimal_pairs, pairs;"
        "print(json.dumps([minimal_pairs(300, 100, 8), [p.acceptable for p in pairs(40, 8)]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [minimal_pairs(300, 100, 8), [pair.acceptable for pair in pairs(40, 8)]]
    assert json.loads(done.stdout) == json.loads(json.dumps(expected))


def test_the_most_that_is_promised_can_be_had():
    assert MAX_SENTENCES >= 40_000
    train, dev = minimal_pairs(MAX_SENTENCES // 2, MAX_SENTENCES // 2)
    labels = dict(train + dev)
    # Distinct with their labels: no sentence is acceptable in one place and unacceptable in another.
    assert len(labels) == len(train) + len(dev) == MAX_SENTENCES
    assert sum(labels.values()) == MAX_SENTENCES // 2


def test_a_dev_split_that_takes_almost_everything_leaves_enough_to_train_on():
    train, dev = minimal_pairs(24, MAX_SENTENCES - 24)
    assert (len(train), len(dev)) == (24, MAX_SENTENCES - 24)


# Arguments


@pytest.mark.parametrize("value", [0, -2, 3, 1001, MAX_SENTENCES, MAX_SENTENCES + 2, 2.0, True, "6"])
def test_a_bad_train_count_is_refused(value):
    with pytest.raises(InputError, match=r"^train: ") as caught:
        minimal_pairs(train=value)
    assert caught.value.argument == "train"


@pytest.mark.parametrize("value", [0, -2, 3, MAX_SENTENCES - 98, 2.0, True, None])
def test_a_bad_dev_count_is_refused(value):
    with pytest.raises(InputError, match=r"^dev: ") as caught:
        minimal_pairs(train=100, dev=value)
    assert caught.value.argument == "dev"


@pytest.mark.parametrize("value", [0, -1, MAX_SENTENCES // 2 + 1, 1.5, True])
def test_a_bad_pair_count_is_refused(value):
    with pytest.raises(InputError, match=r"^count: "):
        pairs(value, seed=0)


@pytest.mark.parametrize("value", [0.5, "0", None, True])
def test_a_bad_seed_is_refused(value):
    with pytest.raises(InputError, match=r"^seed: "):
        minimal_pairs(4, 4, seed=value)
    with pytest.raises(InputError, match=r"^seed: "):
        pairs(4, seed=value)


# No shortcuts


def test_words_alone_do_not_give_the_label_away(default):
    from sklearn import linear_model as linear
    from sklearn.feature_extraction import text

    train, dev = default
    # One-letter words too, or "I" and "a" would go unseen.
    vectorizer = text.CountVectorizer(token_pattern=r"\b\w+\b")
    classifier = linear.LogisticRegression(max_iter=1000)
    classifier.fit(
        vectorizer.fit_transform([sentence for sentence, _ in train]), [label for _, label in train]
    )
    seen = vectorizer.transform([sentence for sentence, _ in dev])
    assert classifier.score(seen, [label for _, label in dev]) <= 0.6


def test_no_frequent_word_leans_to_one_label(default):
    train, _ = default
    total, good = Counter(), Counter()
    for sentence, label in train:
        for word in bag(sentence):
            total[word] += 1
            good[word] += label
    shares = {word: good[word] / total[word] for word in total if total[word] >= 100}
    assert len(shares) > 100
    assert {word: share for word, share in shares.items() if not 0.35 < share < 0.65} == {}


def test_length_does_not_give_the_label_away(default):
    train, _ = default
    lengths = {
        wanted: sum(len(words(sentence)) for sentence, label in train if label == wanted) / (len(train) / 2)
        for wanted in (0, 1)
    }
    assert abs(lengths[0] - lengths[1]) < 0.1
