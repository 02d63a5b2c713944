"""The document of one record, in the archive and in OpenSearch alike.

It is one line of JSON. `id`, `arrival_time` and `severity_text` come first and in this order, so that a reader
may find them without parsing the line (`document_id`). The names follow OpenTelemetry.
"""

from typing import Any, NotRequired, TypedDict

_ID_PREFIX = b'{"id":"'

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
        "flags": NotRequired[list[str]],
        "fingerprint": NotRequired[str],  # on the error path only, like template and exception.type
        "template": NotRequired[str],
        "exception.type": NotRequired[str],
        "k8s.pod.name": NotRequired[str],
        "k8s.namespace.name": NotRequired[str],
        "k8s.node.name": NotRequired[str],
        "k8s.container.name": NotRequired[str],
        "trace_id": NotRequired[str],
        "span_id": NotRequired[str],
        "attributes": NotRequired[dict[str, Any]],  # the sender's other fields, redacted
    },
)


def document_id(line: bytes) -> str:
    """Return the id of a document line that this project wrote.

    Raises:
        ValueError: the line does not start as a document line does.
    """
    if not line.startswith(_ID_PREFIX):
        raise ValueError("not a log document: it does not start with its id")
    return line[len(_ID_PREFIX) : line.index(b'"', len(_ID_PREFIX))].decode()
