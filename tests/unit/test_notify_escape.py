"""Text of strangers on its way to Slack."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from udfs.notify.escape import clean, cut, defang, markup, one_line, size

HOSTILE = st.text(
    st.one_of(
        st.sampled_from("<>&`@!|*_~[]()#:/\\\n\r\t\x00\x1b\u200b\u200d\u202e\u2066\u2028\ufeff\ud800😀가"),
        st.characters(),
    ),
    max_size=400,
)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a mention of everyone", "@here now", "＠here now"),  # noqa: RUF001
        ("whatever its case", "@EveryOne @Channel", "＠EveryOne ＠Channel"),  # noqa: RUF001
        ("hidden in zero-width characters", "@\u200bhe\u2060re", "＠here"),  # noqa: RUF001
        ("an address stays as it is", "ops@example.com", "ops@example.com"),
        ("a code block's end", "```\nboo", "'''\nboo"),
        ("a turned reading direction", "abc\u202egnp.exe\u2066", "abcgnp.exe"),
        ("colours and bells of a terminal", "\x1b[31mred\x07\x00", "[31mred"),
        ("line ends of all kinds", "a\r\nb\u2028c\u0085d", "a\nb\nc\nd"),
        ("half a character", "a\ud800b", "a\ufffdb"),
        ("Korean and emoji", "결제 실패 😀", "결제 실패 😀"),
        ("tag characters", "a\U000e0041b", "ab"),
    ],
)
def test_clean_takes_out_what_deceives_and_keeps_what_reads(name, text, expected):
    assert clean(text) == expected, name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "<!here> & <@U123> <https://evil.example|login>",
            "&lt;!here&gt; &amp; &lt;@U123&gt; &lt;https://evil.example|login&gt;",
        ),
        ("&lt;!here&gt;", "&amp;lt;!here&amp;gt;"),
    ],
)
def test_markup_leaves_slack_nothing_to_interpret(text, expected):
    assert markup(text, 500) == expected


def test_a_cut_never_splits_an_escape():
    assert [markup("<<<", limit) for limit in (12, 11, 9, 8, 5, 1)] == [
        "&lt;&lt;&lt;",
        "&lt;&lt;…",
        "&lt;&lt;…",
        "&lt;…",
        "&lt;…",
        "…",
    ]


def test_a_url_is_made_none_even_if_it_hides():
    assert defang("see http:\u200b//evil.example") == "see http[:]//evil.example"


@settings(deadline=None)  # the machine may be busy
@given(HOSTILE)
def test_a_clean_text_is_clean(text):
    assert clean(clean(text)) == clean(text)
    assert not set(clean(text)) & set("`\x00\x1b\u200b\u202e\u2066\ufeff\ud800\r")
    clean(text).encode()


@settings(deadline=None)  # the machine may be busy
@given(HOSTILE, st.integers(1, 300))
def test_limits_hold_in_slacks_way_of_counting(text, limit):
    for shortened in (cut(clean(text), limit), markup(clean(text), limit), cut(one_line(text), limit)):
        assert len(shortened.encode("utf-16-le")) // 2 <= limit
        assert size(shortened) <= limit


def test_a_giant_text_is_not_read_to_its_end():
    assert len(clean("x" * 10_000_000)) == 8_000
