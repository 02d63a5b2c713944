"""Redaction measured on a generated corpus: secrets of many kinds, and lines that only look so."""

from collections import Counter

import pytest

from local.generator.lookalikes import lookalikes
from local.generator.secrets import is_left, secrets
from udfs.redact import Redactor, load_redact_rules

REDACTOR = Redactor(load_redact_rules())
COUNT = 3000
SEEDS = (1, 20261122)


def test_the_corpus_is_the_same_for_a_seed_and_another_for_another() -> None:
    assert list(secrets(1, 300)) == list(secrets(1, 300)) != list(secrets(2, 300))
    assert list(lookalikes(1, 300)) == list(lookalikes(1, 300)) != list(lookalikes(2, 300))


def test_the_corpus_has_many_kinds_and_each_line_its_secret() -> None:
    planted = list(secrets(SEEDS[0], COUNT))

    assert len({each.kind for each in planted}) >= 50
    assert len({each.log_content for each in planted}) == COUNT
    assert all(each.log_content.count(each.secret) == 1 for each in planted)
    assert len({each.kind for each in lookalikes(SEEDS[0], COUNT)}) >= 30


@pytest.mark.parametrize("seed", SEEDS)
def test_hardly_a_secret_is_left(seed: int) -> None:
    left = [each for each in secrets(seed, COUNT) if is_left(each.secret, REDACTOR.redact(each.log_content))]

    recall = 1 - len(left) / COUNT
    assert recall >= 0.995, f"seed {seed}: recall {recall:.4f}, left {Counter(each.kind for each in left)}"


@pytest.mark.parametrize("seed", SEEDS)
def test_hardly_a_lookalike_is_changed(seed: int) -> None:
    changed = [each for each in lookalikes(seed, COUNT) if REDACTOR.redact(each.log_content) != each.log_content]

    assert len(changed) <= 0.01 * COUNT, f"seed {seed}: changed {Counter(each.kind for each in changed)}"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_line_of_the_corpus_that_was_redacted_stays_as_it_is(seed: int) -> None:
    once = [REDACTOR.redact(each.log_content) for each in secrets(seed, COUNT)]

    assert [REDACTOR.redact(text) for text in once] == once, f"seed {seed}"


def test_a_piece_of_a_secret_is_a_secret_left() -> None:
    assert is_left("abcdefghijkl", "x cdefgh x")
    assert is_left("abcdefghijkl", "abcdefghijkl")
    assert not is_left("abcdefghijkl", "abcde-fghij")
    assert is_left("1234", "x1234x")
    assert not is_left("1234", "123 234")
