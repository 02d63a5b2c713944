"""The document of one record, in the archive and in OpenSearch alike.

It is one line of JSON. `id`, `arrival_time` and `severity_text` come first and in this order, so that a reader
may find them without parsing the line (`document_id`). The names follow OpenTelemetry.
"""

from typing import Any, NotRequired

import orjson
from typing_extensions import TypedDict  # that of `typing` is refused by Pydantic before Python 3.12

_ID_PREFIX = b'{"id":'
_AFTER_ID = b',"arrival_time":'

LogDocument = TypedDict(
    "LogDocument",
    {
        "id": str,  # origin:sequence:line, the OpenSearch _id
        "arrival_time": int,  # epoch milliseconds
        "severity_text": str,
        "@timestamp": str,  # event time, ISO-8601 in UTC
        "service.name": str,
        "body": str,  # redacted
        "rules_version": str,
        "k8s.pod.name": NotRequired[str],
        "k8s.namespace.name": NotRequired[str],
        "k8s.node.name": NotRequired[str],
        "k8s.container.name": NotRequired[str],
        "trace_id": NotRequired[str],
        "span_id": NotRequired[str],
        "flags": NotRequired[list[str]],
        "attributes": NotRequired[dict[str, Any]],  # the sender's other fields, redacted
        "fingerprint": NotRequired[str],  # on the error path only, like template and exception.type
        "template": NotRequired[str],
        "exception.type": NotRequired[str],
    },
)


def document_id(line: bytes) -> str:
    """Return the id of a document line that this project wrote.

    Raises:
        ValueError: the line does not start as a document line does, or its id is no text.
    """
    # The quotes of an id are escaped, so the first `,"arrival_time":` is the one that follows it.
    end = line.find(_AFTER_ID)
    if not line.startswith(_ID_PREFIX) or end < 0:
        raise ValueError("not a log document: it does not start with id and arrival time")
    identifier = orjson.loads(line[len(_ID_PREFIX) : end])
    if not isinstance(identifier, str):
        raise ValueError("not a log document: its id is no text")  # noqa: TRY004 - of a line, not of an argument
    return identifier
