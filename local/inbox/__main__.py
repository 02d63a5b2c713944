"""Run the inbox server: `python -m local.inbox --port PORT --directory DIRECTORY CHANNEL…`."""

import argparse
import signal
import sys
from pathlib import Path

from local.inbox.server import InboxServer


def main() -> None:
    """Serve until SIGTERM. The token is read from the file `token` of the directory."""
    parser = argparse.ArgumentParser(prog="local.inbox")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("channels", nargs="+")
    arguments = parser.parse_args()
    token = (arguments.directory / "token").read_text()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    messages = arguments.directory / "messages.ndjson"
    InboxServer(arguments.port, token, arguments.channels, messages).serve_forever()


if __name__ == "__main__":
    main()
