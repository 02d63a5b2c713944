"""A Slack workspace with incoming webhooks, for trials and tests: takes posts as Slack does and shows them."""

import json
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local import http
from local.part import SingleProcessPart
from local.ports import HOST, free_port

TEAM = "TLOCAL"


class Inbox(SingleProcessPart):
    """One inbox server, a process of its own."""

    name = "inbox"

    def __init__(self, directory: Path, port: int | None = None, channels: Sequence[str] = ("alerts",)) -> None:
        """Make the part; `channels` get a webhook each, and the first is that of everything without a route."""
        super().__init__(directory)
        self.port = port or free_port()
        self.channels = tuple(channels)
        self._token = secrets.token_urlsafe(18)

    @property
    def url(self) -> str:
        """Address of the page and of the API."""
        return f"http://{HOST}:{self.port}"

    def webhook_url(self, channel: str) -> str:
        """Return the incoming webhook of a channel; any lower-case channel name will do."""
        return f"{self.url}/services/{TEAM}/B{channel.upper()}/{self._token}"

    def messages(self) -> list[dict[str, Any]]:
        """Return every message, oldest first.

        Each has `id`, `received_at_ms`, `channel`, `payload` (as posted), `mentions` and `links` (what Slack would make
        of its texts).
        """
        return list(self._api("GET", "/api/messages")["messages"])

    def attempts(self) -> list[dict[str, Any]]:
        """Return every post, oldest first: `at_ms`, `channel`, `status` (None: none sent), `answer`, `message_id`."""
        return list(self._api("GET", "/api/attempts")["attempts"])

    def clear(self) -> None:
        """Forget messages, attempts and faults."""
        self._api("DELETE", "/api/messages")
        self.clear_faults()

    def fail(self, **fault: Any) -> None:
        """Have the next posts fail; see `local.inbox.faults.Fault` for the keywords."""
        self._api("POST", "/api/faults", fault)

    def clear_faults(self) -> None:
        """Be well again."""
        self._api("DELETE", "/api/faults")

    def command(self) -> list[str]:
        """Return the server as a command. The token is in a file: command lines are public."""
        arguments = ["--port", str(self.port), "--directory", str(self.data), *self.channels]
        return [sys.executable, "-m", "local.inbox", *arguments]

    def prepare(self) -> None:
        """Hand the token over."""
        secret = self.data / "token"
        secret.touch(mode=0o600)
        secret.write_text(self._token)

    def is_healthy(self) -> bool:
        """Say whether the API answers."""
        return http.answers(f"{self.url}/api/faults")

    def addresses(self) -> dict[str, str]:
        """Return the page."""
        return {"Slack inbox": self.url}

    def environment(self) -> dict[str, str]:
        """Return the webhooks."""
        by_channel = {channel: self.webhook_url(channel) for channel in self.channels}
        return {
            "CALI_SLACK_WEBHOOK_URL": self.webhook_url(self.channels[0]),
            "CALI_SLACK_WEBHOOK_URLS": json.dumps(by_channel),
        }

    def _api(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        with http.session() as client:
            answer = client.request(method, self.url + path, json=body, timeout=http.TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.json()
