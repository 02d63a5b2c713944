"""OpenSearch: clients, index templates, and the bulk requests of `udfs.index` on top of them."""

from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import orjson
from opensearchpy import AsyncOpenSearch, OpenSearch
from opensearchpy.exceptions import SerializationError, TransportError

from jobs.log_insight.settings import IndexSettings, Secrets, index_credentials
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
        self._prefix = settings.prefix
        self._has_templates = False

    async def prepare(self) -> None:
        """Connect and install the index templates, so that the first bulk request need not.

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
            for name, template in _templates(self._prefix):
                await self._client.indices.put_index_template(name=name, body=template)
        except (TransportError, SerializationError) as error:
            raise UnavailableError(f"no index templates: {type(error).__name__}") from None
        self._has_templates = True


def install_templates(client: OpenSearch, prefix: str) -> None:
    """Install the index templates for indices with this prefix; doing it again changes nothing.

    Existing indices keep the mapping they were made with.
    """
    for name, template in _templates(prefix):
        client.indices.put_index_template(name=name, body=template)


def _templates(prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in TEMPLATES:
        template = orjson.loads(resources.files("schemas").joinpath("opensearch", f"{name}.json").read_bytes())
        template["index_patterns"] = [f"{prefix}{pattern}" for pattern in template["index_patterns"]]
        yield f"{prefix}cali-{name}", template


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
