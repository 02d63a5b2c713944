"""What is measured with labelled queries, and what makes documents worse than those that are live."""

import json

import pytest

from udfs.analyze.evaluate import (
    FLOOR,
    LabelError,
    LabelledQuery,
    Ranked,
    Verdict,
    Worse,
    countable,
    figures,
    judge,
    parse_queries,
)

THRESHOLD = 0.5
DOCUMENTS = frozenset({"pool", "redis", "dns"})


def query(name: str, *expected: str) -> LabelledQuery:
    return LabelledQuery(id=name, service="cart", log_content="boom", expected=frozenset(expected))


def ranked(entry: LabelledQuery, *found: str, best: float = 0.9) -> Ranked:
    return Ranked(entry, tuple((name, best - place / 100) for place, name in enumerate(found)))


#: A hundred queries for two documents each, so that one query is one per cent.
MANY = [query(f"q{number}", "pool" if number % 2 else "redis") for number in range(100)]


def found_by(queries: list[LabelledQuery]) -> list[Ranked]:
    return [ranked(entry, *entry.expected, "dns") for entry in queries]


def verdict(
    queries: list[LabelledQuery],
    staged: list[Ranked],
    live: list[Ranked] | None,
    documents: frozenset[str] = DOCUMENTS,
    live_documents: frozenset[str] = DOCUMENTS,
) -> Verdict:
    return judge(queries, staged, live, documents=documents, live_documents=live_documents, threshold=THRESHOLD)


def test_the_figures_are_shares_of_related_and_of_unrelated_queries() -> None:
    pool, redis, none = query("q1", "pool"), query("q2", "redis", "dns"), query("u1")
    measured = figures(
        [
            ranked(pool, "pool", "dns"),
            ranked(pool, "pool", best=0.4),
            ranked(redis, "pool", "x", "dns"),
            ranked(redis, "a", "b", "c", "redis"),
            ranked(redis),
            ranked(none, "pool", best=0.5),
            ranked(none),
        ],
        THRESHOLD,
    )
    assert (measured.queries, measured.unrelated) == (5, 2)
    assert measured.hit_at_1 == pytest.approx(2 / 5)
    assert measured.hit_at_3 == pytest.approx(3 / 5)
    assert measured.mrr == pytest.approx((1 + 1 + 1 / 3 + 1 / 4) / 5)
    assert measured.found == pytest.approx(1 / 5)
    assert measured.false_alarms == pytest.approx(1 / 2)


def test_without_queries_every_figure_is_nought() -> None:
    assert figures([], THRESHOLD)[:-1] == (0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_equal_results_pass() -> None:
    result = verdict(MANY, found_by(MANY), found_by(MANY))
    assert result.reasons == ()
    assert result.worse == ()


def test_a_figure_may_fall_by_the_tolerance_and_no_further_and_the_queries_are_named() -> None:
    def missing(count: int) -> Verdict:
        return verdict(MANY, [ranked(entry, "dns", "x", "y") for entry in MANY[:count]] + found_by(MANY[count:]), live)

    live = found_by(MANY)
    assert missing(2).reasons == ()
    assert [worse.query for worse in missing(2).worse] == ["q0", "q1"]
    refused = missing(3)
    assert refused.reasons[:2] == ("hit@1: 1.000 live, 0.970 staged", "hit@3: 1.000 live, 0.970 staged")
    assert refused.worse == tuple(Worse(name, "rank", 1, None) for name in ("q0", "q1", "q2"))


def test_of_a_few_queries_none_may_be_lost() -> None:
    few = [query("q1", "pool"), query("q2", "pool"), query("q3", "redis")]
    staged = [ranked(few[0], "pool"), ranked(few[1], "dns", "pool"), ranked(few[2], "redis")]
    assert verdict(few, staged, found_by(few)).reasons[0] == "hit@1: 1.000 live, 0.667 staged"


def test_scores_that_sink_below_the_threshold_are_worse_though_every_document_keeps_its_place() -> None:
    staged = [ranked(entry, *entry.expected, best=0.4) for entry in MANY]
    result = verdict(MANY, staged, found_by(MANY))
    assert result.reasons == ("found: 1.000 live, 0.000 staged",)
    assert result.worse[0] == Worse("q0", "score", 0.9, 0.4)


def test_more_false_alarms_are_worse() -> None:
    unrelated = [query("u1"), query("u2")]
    live = [*found_by(MANY), ranked(unrelated[0], "pool", best=0.2), ranked(unrelated[1], "pool")]
    staged = [*found_by(MANY), ranked(unrelated[0], "pool", best=0.7), ranked(unrelated[1], "pool")]
    result = verdict([*MANY, *unrelated], staged, live)
    assert result.reasons == ("false alarms: 0.500 live, 1.000 staged",)
    assert result.worse == (Worse("u1", "false alarm", 0.2, 0.7),)


def test_a_single_document_that_no_query_leads_to_any_more_is_a_reason_though_no_figure_falls_far() -> None:
    rare = [query("r1", "dns"), query("r2", "dns")]
    queries = [*MANY, *rare]
    buried = [ranked(rare[0], "pool", "redis", "x", "dns"), ranked(rare[1], "pool")]
    half = [ranked(rare[0], "pool", "redis", "dns"), buried[1]]
    assert verdict(queries, [*found_by(MANY), *half], found_by(queries)).reasons == ()
    result = verdict(queries, [*found_by(MANY), *buried], found_by(queries))
    assert result.buried == ("dns",)
    assert result.reasons == ("dns is not among the first 3 any more for any of r1, r2",)


def test_a_document_that_live_does_not_lead_to_either_is_no_reason() -> None:
    queries = [*MANY, query("r1", "dns")]
    both = [*found_by(MANY), ranked(queries[-1], "pool")]
    assert verdict(queries, both, both).reasons == ()


def test_a_document_that_is_gone_is_a_reason_as_long_as_a_query_names_it() -> None:
    rest = frozenset({"pool", "redis"})
    queries = [*MANY, query("r1", "dns"), query("r2", "dns", "pool")]
    counted = list(countable(queries, rest, DOCUMENTS))
    assert [entry.id for entry in counted][-1] == "r2"
    result = verdict(queries, found_by(counted), found_by(counted), documents=rest)
    assert result.lost == ("dns",)
    assert result.reasons == ("dns is gone, and queries name it: r1, r2",)
    assert verdict(MANY, found_by(MANY), found_by(MANY), documents=rest).reasons == ()


def test_a_name_that_no_document_has_counts_for_nothing_and_is_told() -> None:
    queries = [*MANY, query("r1", "no-such-document")]
    counted = list(countable(queries, DOCUMENTS, DOCUMENTS))
    assert counted == MANY
    result = verdict(queries, found_by(counted), found_by(counted))
    assert (result.reasons, result.unknown) == ((), ("no-such-document",))


def test_queries_about_new_documents_do_not_make_up_for_those_that_got_worse() -> None:
    old = frozenset({"pool", "redis"})
    new = [query(f"n{number}", "dns") for number in range(50)]
    assert list(countable([*MANY, *new], DOCUMENTS, old)) == MANY
    assert list(countable([*MANY, *new], DOCUMENTS)) == [*MANY, *new]


def test_labels_about_other_documents_are_no_check() -> None:
    queries = [query("q1", "elsewhere"), query("u1")]
    unrelated = [ranked(queries[1])]
    result = verdict(queries, unrelated, unrelated)
    assert result.reasons == ("no labelled query is about a document that is both staged and live",)


@pytest.mark.parametrize(("right", "reasons"), [(49, 1), (50, 0)])
def test_with_nothing_to_compare_with_half_of_the_queries_must_find_something(right: int, reasons: int) -> None:
    staged = found_by(MANY[:right]) + [ranked(entry) for entry in MANY[right:]]
    result = verdict(MANY, staged, None, live_documents=frozenset())
    assert len(result.reasons) == reasons
    assert FLOOR == 0.5
    assert result.live is None


def test_queries_are_read_from_lines() -> None:
    line = json.dumps({"id": "q1", "service": "cart", "log_content": "boom", "expected": ["pool"]})
    assert parse_queries("queries.ndjson", [line, ""]) == (query("q1", "pool"),)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{}"], "here:1: id: Field required"),
        (["", "nonsense"], "here:2: line: Invalid JSON"),
        (['{"id": "q", "service": "s", "log_content": "x", "expected": [], "extra": 1}'], "here:1: extra: Extra"),
        (['{"id": "q", "service": "s", "log_content": "x", "expected": ["d"]}'] * 2, "here:2: id: 'q' is already used"),
        (['{"id": "q", "service": "s", "log_content": "x", "expected": []}'], "here: no query with a document"),
        ([], "here: no query with a document"),
    ],
)
def test_wrong_labels_are_named_by_file_line_and_field(lines: list[str], message: str) -> None:
    with pytest.raises(LabelError, match=f"^{message}"):
        parse_queries("here", lines)
