"""The Slack inbox's judgement and its page, as pure functions."""

import re
from datetime import UTC
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.inbox.block_kit import RefusedError, check
from local.inbox.faults import Fault, Faults
from local.inbox.mrkdwn import Link, Mention, references, render
from local.inbox.page import page
from local.inbox.store import all_references


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": mrkdwn(text)}


def button(**fields: Any) -> dict[str, Any]:
    return {"type": "button", "text": plain("Open"), "action_id": "open"} | fields


FULL = [
    {"type": "header", "text": plain("h" * 150), "block_id": "b" * 255},
    {"type": "section", "text": mrkdwn("t" * 3000), "accessory": button(url="https://a.example/" + "u" * 2982)},
    {"type": "section", "fields": [mrkdwn("f" * 2000)] * 10},
    {"type": "context", "elements": [mrkdwn("c"), plain("p")] * 5},
    {"type": "actions", "elements": [button(text=plain("x" * 75), action_id=f"a{n}") for n in range(25)]},
    {"type": "image", "image_url": "https://a.example/i.png", "alt_text": "graph", "title": plain("Graph")},
    {"type": "divider"},
]


def test_a_message_at_every_limit_is_taken() -> None:
    check({"text": "fallback", "blocks": FULL + [{"type": "divider"}] * 43})


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ([], "invalid_payload"),
        ("text", "invalid_payload"),
        ({"text": 5}, "invalid_payload"),
        ({"text": "x", "colour": "red"}, "invalid_payload"),
        ({}, "no_text"),
        ({"text": ""}, "no_text"),
        ({"text": " \n"}, "no_text"),
        ({"text": "", "blocks": []}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": "x", "blocks": {"type": "divider"}}, "invalid_blocks_format"),
    ],
)
def test_a_post_without_a_message_is_refused_in_slacks_words(payload: Any, code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        check(payload)
    assert (refused.value.status, refused.value.code) == (400, code)


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ([{"type": "divider"}] * 51, "more than 50 blocks"),
        (["divider"], "not an object"),
        ([{}], "unknown type None"),
        ([{"type": ["divider"]}], "unknown type"),
        ([{"type": "carousel"}], "unknown type 'carousel'"),
        ([{"type": "divider", "text": plain("x")}], "unknown text"),
        ([{"type": "divider", "block_id": "b" * 256}], "256 characters, 255"),
        ([{"type": "divider", "block_id": "b"}, {"type": "divider", "block_id": "b"}], "block_id twice"),
        ([{"type": "header", "text": plain("h" * 151)}], "151 characters, 150"),
        ([{"type": "header", "text": plain("")}], "is empty"),
        ([{"type": "header", "text": mrkdwn("h")}], "type 'mrkdwn'"),
        ([{"type": "header", "text": "h"}], "not a text object"),
        ([{"type": "section"}], "neither text nor fields"),
        ([section("t" * 3001)], "3001 characters, 3000"),
        ([section("")], "is empty"),
        ([{"type": "section", "text": {"type": "markdown", "text": "x"}}], "type 'markdown'"),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x", "emoji": True}}], "unknown emoji"),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x", "verbatim": "yes"}}], "not true or false"),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": None}}], "not a string"),
        ([{"type": "section", "fields": []}], "not a list with elements"),
        ([{"type": "section", "fields": [mrkdwn("f")] * 11}], "11 elements, 10"),
        ([{"type": "section", "fields": [mrkdwn("f" * 2001)]}], "2001 characters, 2000"),
        ([{"type": "context", "elements": [mrkdwn("c")] * 11}], "11 elements, 10"),
        ([{"type": "context", "elements": [button()]}], "type 'button'"),
        ([{"type": "actions", "elements": [button(action_id=f"a{n}") for n in range(26)]}], "26 elements, 25"),
        ([{"type": "actions", "elements": [button(), button()]}], "action_id twice"),
        ([{"type": "actions", "elements": [button(text=plain("x" * 76))]}], "76 characters, 75"),
        ([{"type": "actions", "elements": [button(text=mrkdwn("x"))]}], "type 'mrkdwn'"),
        ([{"type": "actions", "elements": [button(url="https://" + "u" * 2993)]}], "3001 characters, 3000"),
        ([{"type": "actions", "elements": [button(url="javascript:alert(1)")]}], "not a URL"),
        ([{"type": "actions", "elements": [button(style="green")]}], "style is unknown"),
        ([{"type": "image", "image_url": "https://a.example/i.png"}], "alt_text is not a string"),
    ],
)
def test_blocks_beyond_slacks_limits_are_refused_and_the_reason_is_kept(blocks: Any, reason: str) -> None:
    with pytest.raises(RefusedError) as refused:
        check({"text": "x", "blocks": blocks})
    assert (refused.value.status, refused.value.code) == (400, "invalid_blocks")
    assert reason in refused.value.reason


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*bold* _italic_ ~struck~", "<b>bold</b> <i>italic</i> <s>struck</s>"),
        ("a*b*c snake_case_name 2 * 3 * 4", "a*b*c snake_case_name 2 * 3 * 4"),
        ("`*not bold*`", "<code>*not bold*</code>"),
        ("```\na &lt; b\n```", "<pre>a &lt; b</pre>"),
        ("&lt;script&gt; &amp;amp;", "&lt;script&gt; &amp;amp;"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        (":fire: :no_such_emoji:", "🔥 :no_such_emoji:"),
        ("one\ntwo", "one<br>two"),
        ("&gt; quoted\nafter", "<blockquote> quoted</blockquote>after"),
        ("<javascript:alert(1)|click>", "&lt;javascript:alert(1)|click&gt;"),
        ("\ue0000\ue001", "\ufffd0\ufffd"),
    ],
)
def test_mrkdwn_looks_as_in_slack(text: str, html: str) -> None:
    assert render(text) == html


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<https://a.example/?x=1&amp;y=2|label>", [Link("https://a.example/?x=1&y=2", "label")]),
        ("<https://a.example>", [Link("https://a.example", "https://a.example")]),
        ("see https://a.example/x.", [Link("https://a.example/x.", "https://a.example/x.")]),
        ("<!here> <!channel|x>", [Mention("!here", "@here"), Mention("!channel", "@x")]),
        ("<!subteam^S1|@oncall>", [Mention("!subteam^S1", "@oncall")]),
        ("<@U123>", [Mention("@U123", "@U123")]),
        ("@channel help", [Mention("@channel", "@channel")]),
        ("`<!here>`", [Mention("!here", "@here")]),
        ("&lt;!here&gt; <!date^1^{date}|now> mail@here.example", []),
    ],
)
def test_links_and_mentions_are_found_and_shown(text: str, found: Any) -> None:
    assert references(text) == found
    shown = render(text)
    assert all(f">{each.label}<" in shown for each in found)
    assert shown.count('class="mention"') == sum(isinstance(each, Mention) for each in found)


def test_verbatim_text_links_only_what_is_marked_up() -> None:
    assert references("<https://a.example> https://b.example @here", verbatim=True) == [
        Link("https://a.example", "https://a.example")
    ]
    assert "b.example<" not in render("https://b.example", verbatim=True)


def test_references_are_found_in_every_part_of_a_message() -> None:
    payload = {
        "text": "<!here>",
        "blocks": [
            {
                "type": "section",
                "fields": [mrkdwn("<@U1>"), plain("<@U2>")],
                "accessory": button(url="https://a.example"),
            },
            {"type": "context", "elements": [mrkdwn("https://b.example")]},
        ],
    }
    found = list(all_references(payload))
    assert [each.target for each in found if isinstance(each, Mention)] == ["!here", "@U1"]
    assert [each.url for each in found if isinstance(each, Link)] == ["https://a.example", "https://b.example"]


class Tags(HTMLParser):
    """The tags and the addresses of a page, as a browser would read it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in {"br", "hr", "meta", "link"}:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


HOSTILE = st.text(
    alphabet=st.one_of(st.sampled_from("<>&\"'`*_~|@!#:/\n\ue000\ue001[]()0 aA"), st.characters(codec="utf-8")),
    max_size=60,
) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        '<https://a.example" onmouseover=alert(1)|x>',
        "</pre></li></ol><h1>x",
        "<javascript:alert(1)|x>",
        "```</pre><script>alert(1)</script>```",
    ]
)


def show(payload: dict[str, Any], channel: str = "alerts") -> str:
    message = {"id": 1, "received_at_ms": 1_763_800_000_123, "channel": channel, "payload": payload}
    return page([message], ["alerts"], None, UTC)


@given(HOSTILE, HOSTILE)
def test_no_text_becomes_markup_of_the_page(first: str, second: str) -> None:
    blocks = [
        {"type": "header", "text": plain(first)},
        {"type": "section", "text": mrkdwn(first + second), "fields": [mrkdwn(second), plain(first)]},
        {"type": "context", "elements": [mrkdwn(second)]},
        {"type": "actions", "elements": [button(text=plain(first), url="https://a.example/" + second)]},
        {"type": "image", "image_url": "https://a.example/" + first, "alt_text": second},
    ]
    for payload in ({"text": first + second}, {"text": "x", "blocks": blocks}):
        seen = Tags(show(payload, channel=second))
        assert seen.open == []
        assert seen.tags.count("script") == 1
        assert not {"img", "svg", "iframe", "form"} & set(seen.tags)
        assert seen.handlers == []
        assert all(address.startswith(("/", "https://", "http://", "mailto:")) for address in seen.addresses)


def test_the_page_shows_blocks_and_not_the_fallback_text() -> None:
    shown = show({"text": "only in notifications", "blocks": [{"type": "header", "text": plain("Title")}]})
    assert "<h3>Title</h3>" in shown
    assert "only in notifications" not in shown
    assert ">08:26:40<" in shown


def test_the_page_of_a_channel_shows_that_channel_only() -> None:
    messages = [
        {"id": n, "received_at_ms": n, "channel": channel, "payload": {"text": f"to {channel}"}}
        for n, channel in enumerate(["alerts", "payments"])
    ]
    shown = page(messages, ["alerts"], "payments", UTC)
    assert "to payments" in shown
    assert "to alerts" not in shown
    assert re.search(r"aria-current=page><span># payments</span>", shown)


def test_a_fault_ends_after_its_count_after_its_time_and_when_cleared() -> None:
    faults = Faults()
    faults.add(Fault(status=500, count=2), now=0)
    faults.add(Fault(status=429, seconds=10), now=0)
    taken = [faults.take("alerts", now) for now in (0, 1, 2, 9.9, 10)]
    assert [fault.status if fault else None for fault in taken] == [500, 500, 429, 429, None]
    faults.add(Fault(reset=True), now=11)
    faults.clear()
    assert faults.take("alerts", 11) is None


def test_a_fault_of_a_channel_spares_the_others() -> None:
    faults = Faults()
    faults.add(Fault(status=500, channel="payments"), now=0)
    assert faults.take("alerts", 0) is None
    assert faults.take("payments", 0) is not None
