"""Make build/deploy/aws-provider/schema.json, the schema that the offline AWS provider serves.

Run by `make deploy-tools`. Fetches the package of the provider's CDK bindings with `npm`, and refuses any but the one
whose hash stands here.
"""

import base64
import hashlib
import itertools
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from schema_from_bindings import provider_schema

PACKAGE = "@cdktf/provider-aws@21.22.1"  # the bindings of provider 6.25.0
SHA512 = "BuSHeaQFUL9l33pBzIMRT7cTQ69AM2mLtijjteCPhVQRmvuhuj9Lvfymf7knAMhYqAT6+Lrls9jiGVW/Us3zrQ=="

SCHEMA = Path(__file__).resolve().parents[3] / "build" / "deploy" / "aws-provider" / "schema.json"


def main() -> None:
    """Make the schema."""
    SCHEMA.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCHEMA.parent) as folder:
        made = Path(folder) / SCHEMA.name
        made.write_text(json.dumps(provider_schema(_bindings(_fetch(folder)))))
        made.replace(SCHEMA)


def _fetch(folder: str) -> Path:
    """Return the package's archive, whose hash is the one above."""
    command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", folder]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if ended.returncode:
        sys.exit(f"make_schema: failed with exit code {ended.returncode}: {' '.join(command)}")
    archive = Path(folder) / ended.stdout.strip()
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != SHA512:
        sys.exit(f"make_schema: {PACKAGE} has the SHA-512 {found}, not {SHA512}")
    return archive


def _bindings(archive: Path) -> Iterator[str]:
    """Yield the JavaScript of each folder below `lib`: a large resource is cut into several files."""
    with tarfile.open(archive) as package:
        files = sorted(_javascript(package))
    for _, of_folder in itertools.groupby(files, key=lambda file: file[0][2]):
        yield "".join(text for _, text in of_folder)


def _javascript(package: tarfile.TarFile) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield path and text in the archive's own order, as going back in it means to unpack it again."""
    for member in package:
        parts = PurePosixPath(member.name).parts
        if parts[1] == "lib" and len(parts) > len(("package", "lib", "index.js")) and member.name.endswith(".js"):
            content: Any = package.extractfile(member)
            yield parts, content.read().decode()


if __name__ == "__main__":
    main()
