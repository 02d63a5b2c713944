"""Records that tell of the same failure have one fingerprint, and others have another."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from udfs.fingerprint import MAX_TITLE, Fingerprint, FingerprintRules, explain, fingerprint, load_fingerprint_rules
from udfs.ruleset import RULES_VERSION

#: The machine may be busy.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

RULES = load_fingerprint_rules()
OTHER_RULES = load_fingerprint_rules()

JAVA = """Payment 17 failed
java.lang.IllegalStateException: order 17 is closed
\tat com.acme.pay.Gateway.charge(Gateway.java:42)
\tat com.acme.pay.Gateway$$Lambda$14/0x0000000800c03000.run(Unknown Source)
\tat java.base/java.lang.Thread.run(Thread.java:840)
\tat org.springframework.web.filter.OncePerRequestFilter.doFilter(OncePerRequestFilter.java:116) ~[spring-web.jar:6.1]
Caused by: java.io.IOException: connection 9 reset
\tat com.acme.net.Client.call(Client.java:7)
\t... 20 more"""

PYTHON = """Traceback (most recent call last):
  File "/app/shop/cart.py", line 31, in add
    return stock.reserve(sku)
  File "/usr/lib/python3.11/site-packages/requests/api.py", line 59, in get
    return session.request()
requests.exceptions.ConnectionError: no route to 10.0.0.7

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/shop/api.py", line 12, in post
    cart.add(sku)
shop.errors.CartError: cannot add 17"""

NODE = """TypeError: Cannot read properties of undefined (reading 'id')
    at Cart.add (/app/src/cart.js:10:15)
    at async /app/src/api.js:3:1
    at next (/app/node_modules/express/lib/router/route.js:144:13)"""


def of(content: str, service: str = "cart") -> Fingerprint:
    return fingerprint(content, service, RULES)


def test_a_fingerprint_tells_what_failed() -> None:
    found = of("DB timeout after 31 ms")

    assert len(found.value) == 16
    assert int(found.value, 16) >= 0
    assert found[1:] == ("DB timeout after <duration>", "DB timeout after <duration>", None, RULES_VERSION)


def test_messages_that_differ_in_their_variables_are_the_same_failure() -> None:
    assert of("DB timeout after 31 ms on db-1") == of("DB timeout after 2 s on db-2.prod.internal:5432")._replace(
        template=of("DB timeout after 31 ms on db-1").template, title=of("DB timeout after 31 ms on db-1").title
    )


@pytest.mark.parametrize("other", ["DB timeout after 31 ms on disk", "Cache timeout after 31 ms", "DB timeout"])
def test_messages_that_differ_in_their_words_are_different_failures(other: str) -> None:
    assert of("DB timeout after 31 ms").value != of(other).value


def test_the_same_message_of_another_service_is_another_failure() -> None:
    assert of("boom", "cart").value != of("boom", "order").value


def test_the_value_is_the_same_in_every_process() -> None:
    assert of("boom 17").value == "7a6714d72c8bcf1a"
    assert of(JAVA).value == "48c414d17072b8c9"


def test_of_a_java_trace_count_the_exceptions_and_the_own_frames() -> None:
    found = of(JAVA)

    assert found.exception_type == "java.lang.IllegalStateException"
    assert found.title == "java.lang.IllegalStateException: order <number> is closed"
    assert found.template.split("\n") == [
        "java.lang.IllegalStateException < java.io.IOException",
        "  at com.acme.pay.Gateway.charge",
        "  at com.acme.net.Client.call",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Gateway.java:42", "Gateway.java:57"),
        ("Payment 17 failed", "Zahlung nicht möglich"),
        ("order 17 is closed", "the order was cancelled"),
        ("$$Lambda$14/0x0000000800c03000", "$$Lambda$29/0x0000000800d11111"),
        ("\tat org.springframework", "\tat org.springframework.aop.X.y(X.java:1)\n\tat org.springframework"),
        ("20 more", "31 more"),
        ("java.base/java", "java.base@17.0.2/java"),
        ("\n\tat com.acme.net", "\r\n    at com.acme.net"),
    ],
)
def test_what_varies_between_two_equal_traces_does_not_count(old: str, new: str) -> None:
    assert of(JAVA.replace(old, new)).value == of(JAVA).value


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("IllegalStateException", "IllegalArgumentException"),
        ("java.io.IOException", "java.net.SocketException"),
        ("Gateway.charge", "Gateway.refund"),
        ("com.acme.net.Client", "com.acme.net.Pool"),
    ],
)
def test_another_exception_or_another_own_frame_is_another_failure(old: str, new: str) -> None:
    assert of(JAVA.replace(old, new)).value != of(JAVA).value


def test_of_a_python_trace_the_exception_that_was_raised_last_is_the_first() -> None:
    found = of(PYTHON)

    assert found.exception_type == "shop.errors.CartError"
    assert found.title == "shop.errors.CartError: cannot add <number>"
    assert found.template.split("\n") == [
        "shop.errors.CartError < requests.exceptions.ConnectionError",
        "  at shop/cart.py:add",
        "  at shop/api.py:post",
    ]
    assert found.value == of(PYTHON.replace("line 31", "line 32").replace("10.0.0.7", "db")).value
    assert found.value != of(PYTHON.replace("in post", "in put")).value


def test_of_a_node_trace_count_the_exception_and_the_own_frames() -> None:
    found = of(NODE)

    assert found.title == "TypeError: Cannot read properties of <value> (reading <quoted>)"
    assert found.template.split("\n") == ["TypeError", "  at cart.js:Cart.add", "  at api.js"]
    assert found.value == of(NODE.replace(":10:15", ":11:2").replace("'id'", "'name'")).value


def test_a_trace_without_own_frames_is_known_by_its_exceptions_and_the_message() -> None:
    trace = (
        "java.io.IOException: disk 17 is full\n\tat java.util.List.get(List.java:1)\n\tat java.util.Map.get(Map.java:1)"
    )

    assert of(trace).template == "java.io.IOException\n  disk <number> is full"
    assert of(trace).value == of(trace.replace("17", "18").replace("List", "Set")).value
    assert of(trace).value != of(trace.replace("full", "gone")).value
    assert of(trace).value != of(trace.replace("java.io.IOException", "java.io.EOFException")).value


def test_a_trace_of_libraries_alone_is_known_by_the_words_above_it() -> None:
    trace = "cannot add 17\n\tat java.util.List.get(List.java:1)"

    assert of(trace).exception_type is None
    assert of(trace).title == "cannot add <number>"
    assert of(trace).value != of(trace.replace("add", "remove")).value


def test_the_two_innermost_own_frames_count() -> None:
    frames = [f"\tat com.acme.Step{step}.run(Step.java:1)" for step in range(4)]
    all_four = of("\n".join(("a.b.CartException", *frames))).value

    assert all_four == of("\n".join(("a.b.CartException", *frames[:2]))).value
    assert all_four != of("\n".join(("a.b.CartException", *frames[:1]))).value
    assert all_four != of("\n".join(("a.b.CartException", frames[0], *frames[2:]))).value


def test_how_deep_a_recursion_went_does_not_count() -> None:
    frame = "\tat com.acme.Tree.walk(Tree.java:9)\n"
    start = "java.lang.StackOverflowError\n"

    assert of(start + frame * 3).value == of(start + frame * 900).value


def test_of_an_exception_without_frames_the_message_counts() -> None:
    found = of("ValueError: bad 17")

    assert (found.exception_type, found.template) == ("ValueError", "ValueError: bad <number>")
    assert found.value != of("ValueError: good 17").value


@pytest.mark.parametrize("content", ["Note: x", "payment: boom", "hello world", "Caused something: x", "", "a\nb"])
def test_what_is_no_exception_is_not_taken_for_one(content: str) -> None:
    assert of(content).exception_type is None


def test_a_title_is_one_line_of_bounded_length() -> None:
    assert of("word " * 400 + "\nsecond").title == ("word " * 400)[: MAX_TITLE - 1] + "…"
    assert of("first\nsecond").title == "first"


def test_the_explanation_says_what_was_taken_out_and_what_counted() -> None:
    of_message, of_trace = explain("timeout after 31 ms", "cart", RULES), explain(JAVA, "cart", RULES)

    assert [(variable.rule, variable.text) for variable in of_message.variables] == [("duration", "31 ms")]
    assert (of_message.exceptions, of_message.frames, of_message.rules) == ((), (), ("duration",))
    assert of_trace.exceptions == ("java.lang.IllegalStateException", "java.io.IOException")
    assert of_trace.frames == ("com.acme.pay.Gateway.charge", "com.acme.net.Client.call")
    assert of_trace.rules == ("stack-trace", "number")
    assert [(variable.rule, variable.text) for variable in of_trace.variables] == [("number", "17")]
    assert (of_message.grouped_by, of_trace.grouped_by) == (None, None)
    assert of_trace.fingerprint == of(JAVA)


def test_the_explanation_names_the_rule_of_the_operators_that_was_applied(tmp_path: Path) -> None:
    file = tmp_path / "grouping.yaml"
    file.write_text("rules: [{name: pay, reason: One team., exception: '*.IOException', fingerprint: [pay]}]")
    rules = load_fingerprint_rules(str(file))

    found = explain(JAVA, "cart", rules)

    assert found.grouped_by == "pay"
    assert found.fingerprint.value != of(JAVA).value
    assert found.fingerprint.rules_version.startswith(f"{RULES_VERSION}-g")
    assert explain(NODE, "cart", rules).grouped_by is None


def test_what_was_met_before_does_not_matter() -> None:
    fresh = load_fingerprint_rules()

    for content in (NODE, JAVA, "boom 17", PYTHON):
        assert fingerprint(content, "cart", fresh) == of(content)


LINES = st.lists(
    st.one_of(st.sampled_from(f"{JAVA}\n{PYTHON}\n{NODE}".split("\n")), st.text(max_size=20)), max_size=12
).map("\n".join)


def forget(rules: FingerprintRules) -> None:
    """Empty all memories of a set of rules."""
    memories = (
        *(rules._values, rules._readings, rules.parameterizer._templates, rules.parameterizer._kinds),
        *(rules.traces._types, rules.traces._frames._lines),
    )
    for memory in memories:
        memory.clear()


@patient
@given(LINES)
def test_any_text_has_one_fingerprint(content: str) -> None:
    warm = fingerprint(content, "cart", OTHER_RULES)
    forget(OTHER_RULES)

    assert fingerprint(content, "cart", OTHER_RULES) == warm == of(content)
