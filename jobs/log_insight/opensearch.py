"""OpenSearch: clients, index templates, and the bulk requests of `udfs.index` on top of them."""

import asyncio
from collections.abc import Mapping
from importlib import resources
from typing import Any

import orjson
from opensearchpy import AsyncOpenSearch, OpenSearch
from opensearchpy.exceptions import SerializationError, TransportError

from jobs.log_insight.settings import IndexSettings, Secrets
from udfs.index import RefusedError, UnavailableError, is_fault_of_the_document

TEMPLATES = ("logs", "incidents", "alert-ledger")
#: With these an answer is a few bytes per document instead of a few hundred.
_BULK_ANSWER = {"filter_path": "errors,items.*.status,items.*.error.type"}


def connect(settings: IndexSettings, secrets: Secrets) -> OpenSearch:
    """Return a blocking client; the caller closes it. A request is made once: retrying is the caller's business."""
    return OpenSearch(**_client_options(settings, secrets))


class OpenSearchBulkStore:
    """`udfs.index.BulkStore` on an asynchronous client. It belongs to the event loop that first uses it."""

    def __init__(self, settings: IndexSettings, secrets: Secrets) -> None:
        self._client = AsyncOpenSearch(**_client_options(settings, secrets))

    async def bulk(self, index: str, body: bytes) -> Mapping[str, Any]:
        """Send a bulk request.

        Raises:
            UnavailableError: no connection, no answer in time, or a refusal that is not about the documents.
            RefusedError: the request as a whole was refused because of its content.
        """
        try:
            reply: Mapping[str, Any] = await self._client.bulk(body=body, index=index, params=dict(_BULK_ANSWER))
        except TransportError as error:
            raise _translated(error) from None
        except SerializationError:
            raise UnavailableError("the answer is not OpenSearch's") from None
        return reply

    async def ping(self) -> None:
        """Ask for a sign of life.

        Raises:
            UnavailableError: no connection, or no answer in time.
        """
        try:
            await self._client.info()
        except (TransportError, SerializationError) as error:
            raise UnavailableError(type(error).__name__) from None

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
        # aiohttp closes a TLS transport in the loop's next rounds.
        await asyncio.sleep(0)


def install_templates(client: OpenSearch, prefix: str) -> None:
    """Install the index templates for indices with this prefix; doing it again changes nothing.

    Existing indices keep the mapping they were made with: run it before the first document is written.
    """
    for name in TEMPLATES:
        template = load_template(name)
        template["index_patterns"] = [f"{prefix}{pattern}" for pattern in template["index_patterns"]]
        client.indices.put_index_template(name=f"{prefix}cali-{name}", body=template)


def load_template(name: str) -> dict[str, Any]:
    """Return an index template of `schemas/opensearch/` as it stands there, without a prefix."""
    text = resources.files("schemas").joinpath("opensearch", f"{name}.json").read_bytes()
    template: dict[str, Any] = orjson.loads(text)
    return template


def _client_options(settings: IndexSettings, secrets: Secrets) -> dict[str, Any]:
    options: dict[str, Any] = {
        "hosts": [settings.url],
        "timeout": settings.request_timeout_seconds,
        "max_retries": 0,
    }
    if settings.user is not None and secrets.opensearch_password is not None:
        options["http_auth"] = (settings.user, secrets.opensearch_password.get_secret_value())
    return options


def _translated(error: TransportError) -> Exception:
    # error.info may quote documents: only status and error type go on.
    status, error_type = error.status_code, str(error.error)
    if isinstance(status, int) and is_fault_of_the_document(status, error_type):
        return RefusedError(status, error_type)
    return UnavailableError(f"OpenSearch: {status} {type(error).__name__}")
