"""The breaker stops calling what is down and finds out that it is up again."""

import pytest

from udfs.breaker import Breaker

COOL_DOWN = 30.0


def opened(at: float = 0.0) -> Breaker:
    breaker = Breaker(failures=3, cool_down_seconds=COOL_DOWN)
    for _ in range(3):
        breaker.failed(at)
    return breaker


def test_calls_are_allowed_until_the_failures_in_a_row_reach_the_limit() -> None:
    breaker = Breaker(failures=3, cool_down_seconds=COOL_DOWN)
    breaker.failed(1.0)
    breaker.failed(2.0)
    assert breaker.allows(2.0)
    breaker.failed(3.0)
    assert breaker.is_open
    assert not breaker.allows(3.0)


def test_a_success_between_failures_starts_the_count_again() -> None:
    breaker = Breaker(failures=2, cool_down_seconds=COOL_DOWN)
    breaker.failed(1.0)
    breaker.succeeded()
    breaker.failed(2.0)
    assert breaker.allows(2.0)


def test_after_the_cool_down_one_caller_probes_and_the_others_are_refused() -> None:
    breaker = opened(at=100.0)
    assert not breaker.allows(100.0 + COOL_DOWN - 0.1)
    assert [breaker.allows(100.0 + COOL_DOWN) for _ in range(3)] == [True, False, False]


def test_a_probe_that_succeeds_closes_the_breaker() -> None:
    breaker = opened()
    assert breaker.allows(COOL_DOWN)
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.allows(COOL_DOWN)


def test_a_probe_that_fails_waits_for_a_whole_cool_down_from_its_failure() -> None:
    breaker = opened()
    assert breaker.allows(COOL_DOWN)
    breaker.failed(COOL_DOWN + 5)
    assert not breaker.allows(2 * COOL_DOWN)
    assert breaker.allows(2 * COOL_DOWN + 5)


def test_a_probe_that_never_reports_is_followed_by_another() -> None:
    breaker = opened()
    assert breaker.allows(COOL_DOWN)
    assert not breaker.allows(COOL_DOWN + 1)
    assert breaker.allows(2 * COOL_DOWN)


@pytest.mark.parametrize(("failures", "cool_down"), [(0, 1.0), (1, 0.0), (1, -1.0)])
def test_a_breaker_that_could_never_close_or_open_is_refused(failures: int, cool_down: float) -> None:
    with pytest.raises(ValueError, match="a breaker needs"):
        Breaker(failures, cool_down)
