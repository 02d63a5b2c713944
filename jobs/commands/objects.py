"""Files below an `s3://` URL or a local folder, for commands that read what the job's sinks wrote."""

import mimetypes
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol, cast
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

from jobs.log_insight.settings import AwsSettings

_GONE = frozenset({"NoSuchKey", "404"})


class ObjectGoneError(Exception):
    """The object is not there any more: another process was faster."""


class Folder(Protocol):
    """Objects under one root. Names are relative to it and use `/`."""

    def names(self, below: str) -> Iterator[str]:
        """Yield the names of finished objects below a sub-folder, in order; `""` is the root."""
        ...

    def folders(self) -> list[str]:
        """Return the names of the sub-folders of the root, in order, without what is in them."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Open an object for reading as a stream.

        Raises:
            ObjectGoneError: there is none of this name any more.
        """
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write an object as a whole, over an earlier one of that name."""
        ...

    def delete(self, name: str) -> None:
        """Delete an object; one that is gone is no error."""
        ...

    def url(self, name: str) -> str:
        """Return the address of an object, for people."""
        ...


def folder(root: str, aws: AwsSettings) -> Folder:
    """Return the folder behind an `s3://bucket/prefix` URL or a local path."""
    if root.startswith("s3://"):
        return S3Folder(root, aws)
    return LocalFolder(Path(root.removeprefix("file://")))


class LocalFolder:
    """A folder on this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, below: str) -> Iterator[str]:
        """Yield finished files; Flink's files in progress are hidden ones."""
        for path in sorted((self._root / below).rglob("*")):
            if path.is_file() and not path.name.startswith((".", "_")):
                yield path.relative_to(self._root).as_posix()

    def folders(self) -> list[str]:
        """Return the folders of the root."""
        return sorted(path.name for path in self._root.iterdir() if path.is_dir()) if self._root.is_dir() else []

    def open(self, name: str) -> IO[bytes]:
        """Open a file."""
        try:
            return (self._root / name).open("rb")
        except FileNotFoundError as error:
            raise ObjectGoneError(name) from error

    def write(self, name: str, content: bytes) -> None:
        """Write a file so that nobody sees half of it."""
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.unfinished")
        unfinished.write_bytes(content)
        unfinished.replace(path)

    def delete(self, name: str) -> None:
        """Delete a file."""
        (self._root / name).unlink(missing_ok=True)

    def url(self, name: str) -> str:
        """Return the path."""
        return str(self._root / name)


class S3Folder:
    """A prefix of a bucket."""

    def __init__(self, root: str, aws: AwsSettings) -> None:
        parts = urlsplit(root)
        self._bucket = parts.netloc
        self._prefix = parts.path.strip("/")
        self._s3 = boto3.client("s3", region_name=aws.region, endpoint_url=aws.endpoint)

    def names(self, below: str) -> Iterator[str]:
        """Yield objects; an upload in progress is none yet."""
        prefix = self._key(below).rstrip("/")
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{prefix}/" if prefix else ""
        )
        for page in pages:
            # Consoles make an empty object for a folder.
            keys = (entry["Key"] for entry in page.get("Contents", ()) if not entry["Key"].endswith("/"))
            yield from (key.removeprefix(self._prefix).lstrip("/") for key in keys)

    def folders(self) -> list[str]:
        """Return what stands before the next slash of keys."""
        root = self._key("")
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=root, Delimiter="/")
        found = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", ())]
        return [prefix.removeprefix(root).rstrip("/") for prefix in found]

    def open(self, name: str) -> IO[bytes]:
        """Open an object."""
        try:
            return cast("IO[bytes]", self._s3.get_object(Bucket=self._bucket, Key=self._key(name))["Body"])
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                raise ObjectGoneError(name) from error
            raise

    def write(self, name: str, content: bytes) -> None:
        """Put an object, with the type that its name says, so that a browser shows a page as one."""
        content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        self._s3.put_object(Bucket=self._bucket, Key=self._key(name), Body=content, ContentType=content_type)

    def delete(self, name: str) -> None:
        """Delete an object."""
        self._s3.delete_object(Bucket=self._bucket, Key=self._key(name))

    def url(self, name: str) -> str:
        """Return the object's `s3://` URL."""
        return f"s3://{self._bucket}/{self._key(name)}"

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name
