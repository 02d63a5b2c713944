"""Posts to Slack's incoming webhooks. Whoever knows a webhook's URL can post: it is in no error and no log."""

import email.utils
import json
import logging
from collections.abc import Mapping
from datetime import UTC
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from udfs.notify.outcomes import Failed, Outcome, Rejected, RetryAfter, Sent, Unknown

#: A longer Retry-After is not believed: an alert is not put off for a day by a faulty proxy.
MAX_RETRY_AFTER_SECONDS = 900.0

#: A connection of its own for each post: one that is kept may be closed by Slack just as the next message leaves, and
#: whether that message arrived would be unknown.
_HEADERS = {"Content-Type": "application/json; charset=utf-8", "Connection": "close"}
_ANSWER_BYTES = 200
_TOO_MANY = 429
#: `invalid_blocks`, `invalid_payload` and the like, and a body that is too large: the same message fails for ever.
_FAULTS_OF_THE_MESSAGE = frozenset({400, 413})


class WebhookUrls:
    """The webhook of each channel; it shows none of them.

    Raises:
        ValueError: one is not an http(s) URL; the message says whose, and does not repeat it.
    """

    def __init__(self, default: str | None, own: Mapping[str, str]) -> None:
        if default is not None:
            _check(default, "the default webhook")
        for channel, url in own.items():
            _check(url, f"the webhook of channel {channel!r}")
        self._default = default
        self._own = dict(own)

    def of(self, channel: str) -> str | None:
        """Return the webhook of a channel, or None."""
        return self._own.get(channel, self._default)

    def __repr__(self) -> str:
        return f"WebhookUrls(own={sorted(self._own)})"


class Slack:
    """Posts messages, each within about `timeout_seconds`."""

    def __init__(self, urls: WebhookUrls, timeout_seconds: float) -> None:
        self._urls = urls
        self._timeout = timeout_seconds
        self._session = requests.Session()
        _keep_paths_out_of_logs()

    def post(self, channel: str, message: Mapping[str, Any], now: float) -> Outcome:
        """Post once. `now` is epoch seconds, against which a Retry-After date is read."""
        url = self._urls.of(channel)
        if url is None:
            return Failed("no webhook for the channel")
        try:
            with self._session.post(
                url,
                data=json.dumps(message).encode(),
                headers=_HEADERS,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                return _read(response, now)
        except requests.RequestException as error:
            return _read_error(error)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()


def _read(response: requests.Response, now: float) -> Outcome:
    status = response.status_code
    error = _slack_error(response)
    if 200 <= status < 300:  # noqa: PLR2004 - the 2xx
        return Sent()
    if status == _TOO_MANY:
        return RetryAfter(_retry_after(response.headers.get("Retry-After"), now))
    if status in _FAULTS_OF_THE_MESSAGE:
        return Rejected(f"{status} {error}".strip())
    # A webhook that is revoked or archived (403, 404, 410) can be repaired, and the alert is still wanted then.
    return Failed(f"status {status} {error}".strip())


def _slack_error(response: requests.Response) -> str:
    """Return Slack's error code, such as `invalid_blocks`; other words may be anybody's and are left out."""
    try:
        words = response.raw.read1(_ANSWER_BYTES).decode(errors="replace").strip()
    except (urllib3.exceptions.HTTPError, OSError):
        return ""
    return words if words.replace("_", "").isalnum() and words.isascii() else ""


def _retry_after(value: str | None, now: float) -> float | None:
    """Return seconds from a Retry-After header: a number, or an HTTP date; None for anything else."""
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().isdigit() else _seconds_until(value, now)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def _seconds_until(date: str, now: float) -> float:
    moment = email.utils.parsedate_to_datetime(date)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now


def _read_error(error: requests.RequestException) -> Outcome:
    """Tell apart what never left from what may have arrived. The error itself holds the URL and goes no further."""
    name = type(error).__name__
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.ProxyError):
        return Failed(name)
    return Failed(name) if _never_connected(error) else Unknown(name)


def _never_connected(error: requests.RequestException) -> bool:
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, urllib3.exceptions.MaxRetryError) else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


def _check(url: str, name: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"{name} is not an http(s) URL")


def _keep_paths_out_of_logs() -> None:
    """Drop what urllib3 says of requests at DEBUG: the path of a webhook is its secret."""
    logging.getLogger("urllib3.connectionpool").addFilter(_without_paths)


def _without_paths(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG
