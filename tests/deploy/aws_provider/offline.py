"""Run Terraform or OpenTofu with the offline AWS provider.

python -m tests.deploy.aws_provider.offline tofu -chdir=DIRECTORY validate
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "build" / "deploy" / "aws-provider" / "schema.json"


@contextmanager
def offline_aws() -> Iterator[Mapping[str, str]]:
    """Serve the provider, and yield the environment in which it is found."""
    # A socket's path may have some hundred characters: the tests' own folders are too deep.
    with tempfile.TemporaryDirectory(prefix="aws-") as folder:
        command = [sys.executable, "-m", "tests.deploy.aws_provider.serve", str(SCHEMA), f"{folder}/socket"]
        provider = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
        with provider:
            try:
                yield _environment(_first_line(provider))
            finally:
                provider.communicate()


def _first_line(provider: subprocess.Popen[str]) -> str:
    line = provider.stdout.readline() if provider.stdout else ""
    if not line:
        raise RuntimeError("the offline AWS provider did not start")
    return line.strip()


def _environment(reattach: str) -> Mapping[str, str]:
    """Return the environment, without what would make Terraform ask on the network or a user's account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    return kept | {"TF_REATTACH_PROVIDERS": reattach, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}


def main() -> None:
    """Run a command and exit with its code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    with offline_aws() as environment:
        ended = subprocess.run(options.command, env=environment, check=False)  # noqa: S603 - what the user wants run
    sys.exit(ended.returncode)


if __name__ == "__main__":
    main()
