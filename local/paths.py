"""Where the embedded stack finds its parts and leaves its traces."""

import os
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
JARS = BUILD / "jars"
CONNECTORS_JAR = ROOT / "connectors" / "target" / "cali-connectors.jar"
STACK_DIRECTORY = BUILD / "local"


def java() -> str:
    """Return the `java` to run: that of JAVA_HOME, as Flink's own scripts do, or the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin" / "java") if home else "java"


def flink_home() -> Path:
    """Return the Flink distribution inside the PyFlink wheel, without importing PyFlink.

    Raises:
        FileNotFoundError: apache-flink is not installed.
    """
    spec = find_spec("pyflink")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("apache-flink is not installed in this environment; run `make setup`")
    return Path(spec.submodule_search_locations[0])
