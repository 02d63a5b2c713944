"""What is written for readers names what is there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from grafana.build import Addresses, render_all
from jobs.cli import app
from local.grafana import panels

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md"))
}
DESCRIPTIONS = {
    f"{name}: {panel['title']}": panel["description"]
    for name, text in render_all(Addresses()).items()
    for panel in panels(json.loads(text))
}
CODE = re.compile(r"^ *```.*?^ *```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
#: A call of the command, first in its span or line, after a pipe or a path, or handed to a pod.
CALL = re.compile(r"(?:^ *|[`|/;&] ?|-- |\bincluster )cali ([a-z][\w-]*)(?: ([a-z][\w-]*))?", re.MULTILINE)


def calls(text: str) -> Iterator[tuple[str, str]]:
    """Yield verb and next word of each `cali` command in the code of a text."""
    for code in CODE.findall(text):
        yield from CALL.findall(code)


def is_there(verb: str, word: str) -> bool:
    """Say whether there is such a verb; where it is a group, the word is one of its own."""
    group = typer.main.get_command(app)
    command = group.get_command(typer.Context(group), verb)
    return command is not None and word in getattr(command, "commands", {word})


def test_a_command_is_found_wherever_code_stands():
    text = (
        "`cali up` or\n   ```sh\n   .venv/bin/cali down\n   cali config\n   ```\n"
        "```sh\ncat x | cali index catch-up --now\n```\nwhile cali runs\n"
        "```sh\nkubectl -n cali exec pod/x -- cali setup opensearch\nincluster cali knowledge sync\n```\n"
    )
    assert list(calls(text)) == [
        ("up", ""),
        ("down", ""),
        ("config", ""),
        ("index", "catch-up"),
        ("setup", "opensearch"),
        ("knowledge", "sync"),
    ]


@pytest.mark.parametrize(
    ("verb", "word", "expected"),
    [
        ("up", "", True),
        ("fingerprint", "some", True),
        ("index", "catch-up", True),
        ("index", "show", False),
        ("index", "", False),
        ("dlq", "show", False),
    ],
)
def test_a_verb_of_a_group_is_one_of_its_own(verb, word, expected):
    assert is_there(verb, word) is expected


@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_a_page_is_there(name):
    assert [call for call in calls(PAGES[name]) if not is_there(*call)] == []


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_every_command_of_a_panel_is_there(name):
    assert [call for call in calls(DESCRIPTIONS[name]) if not is_there(*call)] == []


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_every_runbook_that_a_panel_names_is_there(name):
    named = set(re.findall(r"\bCali[A-Z]\w+", DESCRIPTIONS[name]))
    assert named <= set(re.findall(r"^## (\w+)$", PAGES["docs/runbooks.md"], re.MULTILINE))


def test_commands_are_found_at_all():
    assert ("index", "catch-up") in {call for text in DESCRIPTIONS.values() for call in calls(text)}
    assert ("knowledge", "sync") in {call for text in PAGES.values() for call in calls(text)}
