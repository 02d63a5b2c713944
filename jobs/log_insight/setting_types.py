"""Types of settings: what a value has to look like, said in words that fit behind a variable's name."""

import re
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from udfs.grouping import load_grouping_rules
from udfs.ruleset import RuleError

#: Type of the error of a value that holds credentials: a message does not repeat it.
CREDENTIALS = "credentials"

#: What stands for an incident's id in a URL.
INCIDENT_PLACE = "{incident}"

_MAX_PORT = 65_535
_ENDPOINT = re.compile(
    r"https?://(?:\w[\w-]*(?:\.\w[\w-]*)*\.?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?:/[^\s?#]*)?", re.ASCII
)
_URL_CHARACTERS = re.compile(r"[!#$%&'()*+,./0-9:;=?A-Z_a-z{}~\[\]-]*", re.ASCII)
_S3_PATH = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/.*)?")
_INDEX_PREFIX = re.compile(r"(?:[a-z0-9.][a-z0-9._-]*)?")


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder of zones, e.g. Asia
        raise ValueError("not an IANA time zone") from error
    return name


def _name(text: str) -> str:
    if not text or text != text.strip():
        raise ValueError("empty, or spaces around it")
    return text


def _endpoint(url: str) -> str:
    if "@" in url:
        raise PydanticCustomError(CREDENTIALS, "credentials belong in a secret, not in a URL; an @ of a path is %40")
    found = _ENDPOINT.fullmatch(url)
    if found is None or not 1 <= int(found["port"] or 1) <= _MAX_PORT:
        raise ValueError(f"not http:// or https:// with a host, and at most a port of 1 to {_MAX_PORT} and a path")
    return url


def _incident_url(url: str) -> str:
    address = re.split("[?#]", url, maxsplit=1)[0]
    if INCIDENT_PLACE not in url or not _ENDPOINT.fullmatch(address.replace(INCIDENT_PLACE, "incident")):
        raise ValueError(f"not http:// or https:// with a host, and {INCIDENT_PLACE} where the incident's id goes")
    if not _URL_CHARACTERS.fullmatch(url):
        raise ValueError("a character that has no place in a URL")
    return url


def _s3_or_local_path(path: str) -> str:
    _name(path)
    # Flink takes for a scheme what stands before a colon, where no slash comes first.
    has_scheme = ":" in path.partition("/")[0]
    if has_scheme and not path.startswith("file:///") and not _S3_PATH.fullmatch(path):
        raise ValueError(
            "neither a local path nor s3://bucket/prefix with a bucket of 3 to 63 of a-z, 0-9, '.' and '-'"
        )
    return path


def _one_or_several(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


def _index_prefix(prefix: str) -> str:
    if not _INDEX_PREFIX.fullmatch(prefix):
        raise ValueError("an index begins with a-z, 0-9 or '.', and goes on with these, '-' and '_'")
    return prefix


def _readable_file(path: str) -> str:
    try:
        with Path(path).open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error


def _grouping_file(path: str) -> str:
    try:
        load_grouping_rules(Path(path))
    except RuleError as error:
        raise ValueError(str(error)) from error
    return path


TimeZone = Annotated[str, AfterValidator(_time_zone)]
Name = Annotated[str, AfterValidator(_name)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
IncidentUrl = Annotated[str, Field(max_length=400), AfterValidator(_incident_url)]
S3OrLocalPath = Annotated[str, AfterValidator(_s3_or_local_path)]
Paths = Annotated[tuple[S3OrLocalPath, ...], Field(min_length=1), BeforeValidator(_one_or_several)]
IndexPrefix = Annotated[str, Field(max_length=200), AfterValidator(_index_prefix)]
ReadableFile = Annotated[str, AfterValidator(_readable_file)]
GroupingFile = Annotated[str, AfterValidator(_grouping_file)]
Seconds = Annotated[float, Field(gt=0)]
