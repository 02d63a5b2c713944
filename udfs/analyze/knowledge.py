"""Documents of the knowledge base: Markdown with YAML front matter, checked when it is read."""

import datetime as dt
from collections.abc import Iterable
from typing import Annotated

import re2
import yaml
from pydantic import BeforeValidator, Field, StringConstraints, ValidationError

from schemas.analysis import Evidence, KnowledgeKind
from schemas.base import WireModel
from udfs.analyze.text import normalise

#: A document travels whole in a Milvus VARCHAR of 65,535 bytes.
MAX_BYTES = 60_000
SECTIONS = ("Symptoms", "Cause", "Fix")

_DELIMITER = "---"
_BYTE_ORDER_MARK = "\ufeff"
_FENCE = "```"
_SECTION = re2.compile(r"(?m)^## +(.+?) *$")
_FRAME = re2.compile(r"^\s*(at |File \")")

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Body = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _as_iso(value: object) -> str:
    """Return a date in ISO form; a ValueError says that it is none."""
    return dt.date.fromisoformat(str(value)).isoformat()


class KnowledgeError(Exception):
    """A document is wrong. The message names the file, the field and what is wrong with it."""


class Document(WireModel):
    """A runbook or a past incident. `text` is the section Symptoms, with the log lines it quotes."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")]
    kind: KnowledgeKind
    title: Line
    date: Annotated[str, BeforeValidator(_as_iso)]
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>|]+$", max_length=500)]
    services: Annotated[tuple[Line, ...], Field(min_length=1, max_length=50)]
    symptoms: Annotated[tuple[Line, ...], Field(min_length=1, max_length=50)]
    text: Body
    cause: Body
    fix: Body

    def evidence(self, score: float) -> Evidence:
        """Return the document as evidence for an analysis."""
        return Evidence(id=self.id, kind=self.kind, title=self.title, url=self.url, date=self.date, score=score)

    @property
    def told(self) -> str:
        """Everything that says how the failure looks; cause and fix are about other things."""
        return "\n".join((self.title, *self.symptoms, self.text))


def parse_document(name: str, content: str) -> Document:
    """Read one document; `name` is only for the message.

    Raises:
        KnowledgeError: front matter or a section is missing or wrong.
    """
    if len(content.encode()) > MAX_BYTES:
        raise KnowledgeError(f"{name}: longer than {MAX_BYTES} bytes")
    front, body = _split(name, content)
    sections = _sections(name, body)
    try:
        return Document.model_validate(front | {"text": sections[0], "cause": sections[1], "fix": sections[2]})
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise KnowledgeError(f"{name}: {field}: {problem['msg']}") from None


def parse_documents(files: Iterable[tuple[str, str]]) -> list[Document]:
    """Read documents from names and contents, sorted by id.

    Raises:
        KnowledgeError: one is wrong, two have one id, or there is none: an empty folder would empty the knowledge base.
    """
    found: dict[str, tuple[str, Document]] = {}
    for name, content in files:
        document = parse_document(name, content)
        if document.id in found:
            raise KnowledgeError(f"{name}: id: {document.id!r} is already used by {found[document.id][0]}")
        found[document.id] = name, document
    if not found:
        raise KnowledgeError("no documents: a folder of *.md files with front matter is expected")
    return [found[key][1] for key in sorted(found)]


def is_document(name: str) -> bool:
    """Say whether a file of a knowledge folder is a document: Markdown, but no README."""
    return name.endswith(".md") and name.rpartition("/")[2].lower() != "readme.md"


def passages(document: Document) -> tuple[str, ...]:
    """Return what is embedded: the whole, and each symptom and quoted log line by itself, normalised.

    A log line is nearest to the one line that looks like it; the mean over a document would blur it.
    """
    parts = (document.told, document.title, *document.symptoms, *_quoted_lines(document.text))
    return tuple(dict.fromkeys(passage for passage in map(normalise, parts) if passage))


def _quoted_lines(text: str) -> Iterable[str]:
    quoted = False
    for line in text.split("\n"):
        if line.startswith(_FENCE):
            quoted = not quoted
        elif quoted and line.strip() and not _FRAME.match(line):
            yield line


def _split(name: str, content: str) -> tuple[dict[str, object], str]:
    parts = content.removeprefix(_BYTE_ORDER_MARK).replace("\r\n", "\n").split(f"{_DELIMITER}\n", 2)
    if len(parts) != 3 or parts[0].strip():  # noqa: PLR2004 - nothing, front matter, body
        raise KnowledgeError(f"{name}: front matter: it must stand between two lines of {_DELIMITER}")
    try:
        # Everything stays text: a date that is none would end YAML's own reading of it with a bare ValueError.
        front = yaml.load(parts[1], Loader=yaml.BaseLoader)  # noqa: S506 - it makes nothing but text
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise KnowledgeError(f"{name}: front matter: not YAML{f', line {mark.line + 2}' if mark else ''}") from None
    except RecursionError:
        raise KnowledgeError(f"{name}: front matter: nested too deep") from None
    if not isinstance(front, dict):
        raise KnowledgeError(f"{name}: front matter: not a mapping")
    return front, parts[2]


def _sections(name: str, body: str) -> list[str]:
    pieces = _SECTION.split(body)
    found = {title: text.strip() for title, text in zip(pieces[1::2], pieces[2::2], strict=True)}
    missing = [title for title in SECTIONS if not found.get(title)]
    if missing:
        raise KnowledgeError(f"{name}: section {missing[0]}: missing or empty")
    return [found[title] for title in SECTIONS]
