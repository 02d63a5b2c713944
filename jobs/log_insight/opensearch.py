"""OpenSearch: clients, and the bulk requests of `udfs.index` on top of them."""

import asyncio
from collections.abc import Mapping
from typing import Any

from opensearchpy import AsyncOpenSearch, OpenSearch
from opensearchpy.exceptions import SerializationError, TransportError

from jobs.log_insight.opensearch_setup import install_templates, outdated, versions_request
from jobs.log_insight.settings import IndexSettings, Secrets, index_credentials
from udfs.index import RefusedError, UnavailableError, is_fault_of_the_document

#: With these an answer is a few bytes per document instead of a few hundred.
_BULK_ANSWER = {"filter_path": "errors,items.*.status,items.*.error.type"}


def connect(settings: IndexSettings, secrets: Secrets) -> OpenSearch:
    """Return a blocking client; the caller closes it. A request is made once: retrying is the caller's business."""
    return OpenSearch(**_client_options(settings, secrets))


class OpenSearchBulkStore:
    """`udfs.index.BulkStore` on an asynchronous client. It belongs to the event loop that first uses it."""

    def __init__(self, settings: IndexSettings, secrets: Secrets) -> None:
        self._client = AsyncOpenSearch(**_client_options(settings, secrets))
        self._settings = settings
        self._secrets = secrets
        self._has_templates = False

    async def prepare(self) -> None:
        """Connect and install index templates that are missing or older, so that the first bulk request need not.

        Raises:
            UnavailableError: not possible now; the first bulk request tries again.
        """
        await self._install_templates()

    async def bulk(self, index: str, body: bytes) -> Mapping[str, Any]:
        """Send a bulk request, the first one after an outage behind the index templates.

        An index that is made without its template maps hostile attribute names one by one, and keeps that mapping.

        Raises:
            UnavailableError: no connection, no answer in time, or a refusal that is not about the documents.
            RefusedError: the request as a whole was refused because of its content.
        """
        await self._install_templates()
        try:
            reply: Mapping[str, Any] = await self._client.bulk(body=body, index=index, params=dict(_BULK_ANSWER))
        except TransportError as error:
            self._has_templates = False
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

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def _install_templates(self) -> None:
        if self._has_templates:
            return
        try:
            reply = await self._client.indices.get_index_template(**versions_request(self._settings.prefix))
            if outdated(reply, self._settings.prefix):
                await asyncio.to_thread(self._install_outdated)
        except (TransportError, SerializationError) as error:
            raise UnavailableError(f"no index templates: {type(error).__name__}") from None
        self._has_templates = True

    def _install_outdated(self) -> None:
        with connect(self._settings, self._secrets) as client:
            install_templates(client, self._settings.prefix)


def _client_options(settings: IndexSettings, secrets: Secrets) -> dict[str, Any]:
    options: dict[str, Any] = {
        "hosts": [settings.url],
        "timeout": settings.request_timeout_seconds,
        "max_retries": 0,
    }
    if (credentials := index_credentials(settings, secrets)) is not None:
        options["http_auth"] = credentials
    return options


def _translated(error: TransportError) -> Exception:
    # error.info may quote documents: only status and error type go on.
    status, error_type = error.status_code, str(error.error)
    if isinstance(status, int) and is_fault_of_the_document(status, error_type):
        return RefusedError(status, error_type)
    return UnavailableError(f"OpenSearch: {status} {type(error).__name__}")
