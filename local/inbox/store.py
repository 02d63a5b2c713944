"""What arrived: in memory and, for the record, as NDJSON."""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local.inbox.mrkdwn import Link, Mention, references


class Store:
    """Messages and attempts in order of arrival. For use by several threads."""

    def __init__(self, path: Path) -> None:
        """Keep messages also in the file `path`, one JSON object a line."""
        self._path = path
        self._lock = threading.Lock()
        self._messages: list[dict[str, Any]] = []
        self._attempts: list[dict[str, Any]] = []
        self._last_id = 0

    def keep(self, channel: str, payload: Mapping[str, Any], at_ms: int) -> int:
        """Keep a message that Slack would have taken; return its id."""
        found = list(all_references(payload))
        with self._lock:
            self._last_id += 1
            message = {
                "id": self._last_id,
                "received_at_ms": at_ms,
                "channel": channel,
                "payload": payload,
                "mentions": [asdict(each) for each in found if isinstance(each, Mention)],
                "links": [asdict(each) for each in found if isinstance(each, Link)],
            }
            self._messages.append(message)
            with self._path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(message, ensure_ascii=False) + "\n")
            return self._last_id

    def note(self, channel: str, at_ms: int, status: int | None, answer: str, message_id: int | None) -> None:
        """Note how a post was answered; `status` None: not at all."""
        attempt = {"channel": channel, "at_ms": at_ms, "status": status, "answer": answer, "message_id": message_id}
        with self._lock:
            self._attempts.append(attempt)

    def messages(self) -> list[dict[str, Any]]:
        """Return all messages, oldest first."""
        with self._lock:
            return list(self._messages)

    def attempts(self) -> list[dict[str, Any]]:
        """Return all posts, in order of their arrival."""
        with self._lock:
            return sorted(self._attempts, key=lambda attempt: int(attempt["at_ms"]))

    def clear(self) -> None:
        """Forget everything; ids go on."""
        with self._lock:
            self._messages.clear()
            self._attempts.clear()


def all_references(payload: Mapping[str, Any]) -> Iterator[Link | Mention]:
    """Yield every link and mention of a message: of its text, of the texts in its blocks, and of its buttons."""
    if payload.get("text"):
        yield from references(payload["text"])
    for text in _objects(payload.get("blocks")):
        if text.get("type") == "mrkdwn":
            yield from references(text["text"], verbatim=text.get("verbatim", False))
        elif text.get("type") == "button" and "url" in text:
            yield Link(text["url"], text["text"]["text"])


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every object inside, at any depth."""
    if isinstance(value, list):
        for element in value:
            yield from _objects(element)
    elif isinstance(value, dict):
        yield value
        for element in value.values():
            yield from _objects(element)
