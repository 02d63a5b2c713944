"""Of a text with a stack trace the exceptions, the innermost own frames and the message are read."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from udfs.frames import load_frame_rules
from udfs.trace import Trace, TraceReader

#: The machine may be busy.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

READER = TraceReader(load_frame_rules())

FOLDER = Path(__file__).parents[1] / "data" / "traces"
LINES = [line for file in sorted(FOLDER.glob("*.txt")) for line in file.read_text(encoding="utf-8").split("\n")]

FRAME = "\tat com.acme.Cart.add(Cart.java:9)"


def read(*lines: str) -> Trace:
    trace = READER.read("\n".join(lines))
    assert trace is not None
    return trace


def java(count: int, package: str = "com.acme") -> list[str]:
    return [f"\tat {package}.Step{step}.run(Step{step}.java:1)" for step in range(count)]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "boom",
        "java.lang.IllegalStateException: boom",
        FRAME,
        "java.lang.IllegalStateException: boom\nCaused by: java.io.IOException: closed",
        "Traceback (most recent call last):\nKeyError: 17",
        "panic: boom\n\ngoroutine 1 [running]:",
        "first\nsecond\nthird",
        "a\r\nb\r\n",
        "look at the logs:\n- at noon\n- at night",
    ],
)
def test_what_has_no_frame_below_another_line_is_no_trace(content: str) -> None:
    assert READER.read(content) is None


@pytest.mark.parametrize(
    ("lines", "exceptions", "message"),
    [
        (
            ("a.b.CartException: full", FRAME, "Caused by: a.b.StockException: none", FRAME),
            ("a.b.CartException", "a.b.StockException"),
            "full",
        ),
        (
            ("a.b.StockException: none", FRAME, "Wrapped by: a.b.CartException: full", FRAME),
            ("a.b.CartException", "a.b.StockException"),
            "full",
        ),
        (
            (
                "Traceback (most recent call last):",
                '  File "/app/shop/stock.py", line 1, in take',
                "KeyError: 17",
                "",
                "During handling of the above exception, another exception occurred:",
                "",
                "Traceback (most recent call last):",
                '  File "/app/shop/cart.py", line 1, in add',
                "shop.CartError: full",
            ),
            ("shop.CartError", "KeyError"),
            "full",
        ),
        (
            (
                "System.Exception: full",
                " ---> Acme.StockException: none",
                "   at Acme.Stock.Take()",
                "   --- End of inner exception stack trace ---",
                "   at Acme.Cart.Add()",
            ),
            ("System.Exception", "Acme.StockException"),
            "full",
        ),
        (
            ("Acme.CartException: full ---> Acme.StockException: none", "   at Acme.Stock.Take()"),
            ("Acme.CartException", "Acme.StockException"),
            "full",
        ),
        (
            (
                "CartError: full",
                "    at add (/app/shop/cart.js:1:1) {",
                "  [cause]: Error: none",
                "      at take (/app/shop/stock.js:1:1)",
                "}",
            ),
            ("CartError", "Error"),
            "full",
        ),
        (("panic: full", "", "goroutine 1 [running]:", "main.main()", "\t/app/main.go:1 +0x1"), ("panic",), "full"),
    ],
)
def test_the_exceptions_go_from_the_outermost_to_the_root_cause(
    lines: tuple[str, ...], exceptions: tuple[str, ...], message: str
) -> None:
    trace = read(*lines)

    assert (trace.exceptions, trace.message) == (exceptions, message)


def test_an_exception_that_comes_again_counts_once() -> None:
    assert read("a.b.AException: x", FRAME, "Caused by: a.b.BException", "Caused by: a.b.AException: y").exceptions == (
        "a.b.AException",
        "a.b.BException",
    )


@pytest.mark.parametrize("count", [1, 2, 3, 900])
def test_at_most_two_own_frames_count_and_the_innermost_come_first(count: int) -> None:
    frames = read("a.b.CartException: full", *java(3, "java.util"), *java(count), *java(3, "java.lang")).frames

    assert frames == ("com.acme.Step0.run", "com.acme.Step1.run")[:count]


def test_python_prints_the_innermost_frame_last() -> None:
    frames = [f'  File "/app/shop/step{step}.py", line 1, in run' for step in range(3)]

    assert read("Traceback (most recent call last):", *frames, "KeyError: 1").frames == (
        "shop/step2.py:run",
        "shop/step1.py:run",
    )


def test_frames_of_a_cause_follow_on_those_of_the_exception_above_it() -> None:
    below = ("Caused by: a.b.StockException", "\tat com.acme.Stock.take(Stock.java:1)")

    assert read("a.b.CartException", FRAME, *below).frames == ("com.acme.Cart.add", "com.acme.Stock.take")
    assert read("a.b.CartException", *java(3, "java.util"), *below).frames == ("com.acme.Stock.take",)


def test_a_trace_may_have_no_own_frame() -> None:
    assert read("a.b.CartException: full", *java(3, "java.util")) == Trace(("a.b.CartException",), (), "full")


def test_frames_of_libraries_alone_are_no_trace() -> None:
    assert READER.read("\n".join(["add failed", *java(3, "java.util")])) is None


def test_a_recursion_counts_as_one_frame() -> None:
    assert read("a.b.CartException", *[FRAME] * 900, *java(1)).frames == ("com.acme.Cart.add", "com.acme.Step0.run")


def test_what_was_suppressed_does_not_count_but_what_follows_it_does() -> None:
    trace = read(
        "a.b.CartException: full",
        "\tSuppressed: a.b.CloseException: closed",
        "\t\tat com.acme.File.close(File.java:1)",
        "\tCaused by: a.b.FlushException",
        "\t\tat com.acme.File.flush(File.java:1)",
        "Caused by: a.b.StockException: none",
        "\tat com.acme.Stock.take(Stock.java:1)",
    )

    assert trace == Trace(("a.b.CartException", "a.b.StockException"), ("com.acme.Stock.take",), "full")


def test_the_stacks_of_other_goroutines_do_not_count() -> None:
    trace = read(
        "fatal error: all goroutines are asleep - deadlock!",
        "",
        "goroutine 1 [chan receive]:",
        "main.main()",
        "\t/app/main.go:1 +0x1",
        "",
        "goroutine 2 [select]:",
        "main.wait()",
        "\t/app/main.go:9 +0x1",
    )

    assert trace.frames == ("main.main",)
    assert trace.exceptions == ("fatal error: all goroutines are asleep",)


def test_what_runs_after_a_panic_does_not_count() -> None:
    trace = read(
        "panic: full [recovered]",
        "",
        "goroutine 1 [running]:",
        "github.com/acme/shop.unlock()",
        "\t/app/lock.go:1 +0x1",
        "panic({0x1, 0x2})",
        "\t/usr/local/go/src/runtime/panic.go:914 +0x21f",
        "github.com/acme/shop.add()",
        "\t/app/cart.go:1 +0x1",
    )

    assert trace == Trace(("panic",), ("github.com/acme/shop.add",), "full")


def test_a_function_of_go_whose_file_was_cut_off_counts() -> None:
    frames = ("goroutine 1 [running]:", "github.com/acme/shop.add(0x1)", "\t/app/shop/cart.go:1 +0x1", "main.main()")

    assert read("panic: full", "", *frames).frames == ("github.com/acme/shop.add", "main.main")


@pytest.mark.parametrize(
    ("header", "exception", "message"),
    [
        ("panic: full", "panic", "full"),
        ("panic: user bob is unknown", "panic", "user bob is unknown"),
        (
            "panic: runtime error: index out of range [3] with length 3",
            "panic: runtime error: index out of range",
            "runtime error: index out of range [3] with length 3",
        ),
        (
            "panic: interface conversion: interface {} is nil, not string",
            "panic: interface conversion",
            "interface conversion: interface {} is nil, not string",
        ),
        (
            "2026/11/22 14:03:11 http: panic serving 10.2.3.4:5432: runtime error: integer divide by zero",
            "panic: runtime error: integer divide by zero",
            "runtime error: integer divide by zero",
        ),
        ("panic: send on closed channel", "panic: send on closed channel", "send on closed channel"),
        ("fatal error: runtime: out of memory", "fatal error: runtime: out of memory", "runtime: out of memory"),
        ("fatal error: concurrent map writes", "fatal error: concurrent map writes", "concurrent map writes"),
    ],
)
def test_a_panic_of_the_runtime_is_known_by_its_words(header: str, exception: str, message: str) -> None:
    trace = read(header, "", "goroutine 1 [running]:", "main.main()", "\t/app/main.go:1 +0x1")

    assert (trace.exceptions, trace.message) == ((exception,), message)


@pytest.mark.parametrize(
    "header",
    [
        "a.b.CartException: full",
        'Exception in thread "main" a.b.CartException: full',
        "14:03:11 ERROR cart - add failed: a.b.CartException: full",
        "14:03:11 ERROR cart - add failed\na.b.CartException: full",
        "14:03:11 ERROR cart - add failed [a.b.CartException: full",
        "Uncaught a.b.CartException: full",
        "Unhandled exception. a.b.CartException: full",
        "   a.b.CartException: full",
    ],
)
def test_the_exception_is_found_wherever_it_stands_above_its_frames(header: str) -> None:
    assert read(header, FRAME) == Trace(("a.b.CartException",), ("com.acme.Cart.add",), "full")


@pytest.mark.parametrize("header", ["Error: full", "failed Error: full", "failed Error [ERR_FULL]: full"])
def test_an_error_of_node_needs_no_name_of_its_own(header: str) -> None:
    assert read(header, "    at add (/app/shop/cart.js:9:1)") == Trace(("Error",), ("shop/cart.js:add",), "full")


@pytest.mark.parametrize("name", ["KeyError", "shop.errors.Full", "StopIteration", "SystemExit", "Full", "sqlite3.Row"])
def test_below_frames_of_python_any_name_is_an_exception(name: str) -> None:
    frame = '  File "/app/shop/cart.py", line 1, in add'

    assert read("Traceback (most recent call last):", frame, name).exceptions == (name,)
    assert read("Traceback (most recent call last):", frame, f"{name}: full").exceptions == (name,)


def test_without_its_header_a_trace_has_frames_and_no_exception() -> None:
    assert read("add failed", FRAME) == Trace((), ("com.acme.Cart.add",), "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("java.io.IOException: closed", ("java.io.IOException", "closed")),
        ("java.io.IOException", ("java.io.IOException", "")),
        ("KeyError: 'a: b'", ("KeyError", "'a: b'")),
        ("Error: full", ("Error", "full")),
        ("com.acme.shop.Full: full", ("com.acme.shop.Full", "full")),
        ("Caused by: Full: full", ("Full", "full")),
        ("Error [ERR_FULL]: full", ("Error", "full")),
        ("TypeError [ERR_FULL]: full", ("TypeError", "full")),
        ("Npgsql.PostgresException (0x80004005): 23505", ("Npgsql.PostgresException", "23505")),
        ("Note: full", None),
        ("ERROR: full", None),
        ("Timeout: full", None),
        ("shop.Full: full", None),
        ("the KeyError: full", None),
        ("Caused by something else: full", None),
        ("Caused by:", None),
        ("http://example.com/: full", None),
        ("x" * 300 + "Error: full", None),
        ("", None),
    ],
)
def test_an_exception_is_told_from_other_words(line: str, expected: tuple[str, str] | None) -> None:
    assert READER.exception(line) == expected


def test_lines_beyond_the_thousandth_do_not_count() -> None:
    noise = ["ready again"] * 998

    assert read(*noise, "a.b.CartException: full", FRAME).frames == ("com.acme.Cart.add",)
    assert READER.read("\n".join([*noise, "ready", "a.b.CartException: full", FRAME])) is None


@pytest.mark.parametrize(
    "content",
    [
        "x" * 2_000_000 + "\n" + "y" * 2_000_000,
        "a.b.CartException: " + "x " * 1_000_000 + "\n" + FRAME,
        "\tat " + "a." * 1_000_000 + "\n" + FRAME,
        "panic: " * 300_000 + "\n" + FRAME,
        "| " * 1_000_000 + "\n" + FRAME,
        " ---> " * 300_000 + "\n" + FRAME,
        "Caused by: " * 200_000 + "\n" + FRAME,
        "2026-11-22T14:03:11Z " * 100_000 + "\n" + FRAME,
        (FRAME + "\n") * 100_000,
        "\n" * 2_000_000,
        "Caused by: a.b.CartException: full\n" * 100_000,
    ],
    ids=lambda content: content[:12],
)
def test_a_text_of_millions_of_characters_takes_no_more_than_a_moment(content: str) -> None:
    started = time.process_time()

    READER.read(content)

    assert time.process_time() - started < 2


def test_what_was_met_before_does_not_matter() -> None:
    texts = [file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("*.txt"))]
    traces = [part for text in texts for part in re.split(r"(?m)^===.*\n", text)]

    fresh = TraceReader(load_frame_rules())

    assert [fresh.read(text) for text in reversed(traces)] == [READER.read(text) for text in reversed(traces)]


MANGLED = st.builds(
    lambda line, place, text: line[: place % (len(line) + 1)] + text + line[place % (len(line) + 1) :],
    st.sampled_from(LINES),
    st.integers(0, 200),
    st.text(max_size=3),
)


@patient
@given(st.lists(st.one_of(st.sampled_from(LINES), MANGLED, st.text(max_size=20)), max_size=30).map("\n".join))
def test_any_text_is_read_to_at_most_two_frames(content: str) -> None:
    trace = READER.read(content)

    assert READER.read(content) == trace
    if trace is not None:
        assert len(trace.frames) == len(set(trace.frames)) <= 2
        assert len(trace.exceptions) == len(set(trace.exceptions))
        assert all((*trace.frames, *trace.exceptions))
        assert trace.message in content
