# ruff: noqa: INP001 - a script, not part of a package
"""Makes the environment of Airflow in build/airflow/venv, from a lock with hashes: what tests/airflow runs in.

Run by `make airflow`, after `make setup`. It is no part of .venv: Airflow's requirements do not fit with the job's.
"""

import os
import shutil

from steps import BUILD, PYTHON, ROOT, UV, Step, alone, run, say

AIRFLOW = BUILD / "airflow"
VENV = AIRFLOW / "venv"
LOCK = ROOT / "requirements" / "airflow.txt"


def main() -> None:
    """Install it where it is missing or its lock has changed."""
    os.chdir(ROOT)
    with alone("airflow"):
        done = Step("airflow", (LOCK,), (VENV / "bin" / "airflow",), _install, AIRFLOW).run()
    say("ready" if done else "nothing to do")


def _install() -> None:
    """Install wheels only, and compile them: each test is a process that would else read thousands of sources."""
    shutil.rmtree(VENV, ignore_errors=True)
    run(str(UV), "venv", "--quiet", "--python", str(PYTHON), str(VENV))
    locked = ("--require-hashes", "--only-binary", ":all:", "--requirement", str(LOCK))
    run(str(UV), "pip", "install", "--quiet", "--compile-bytecode", "--python", str(VENV / "bin" / "python"), *locked)


if __name__ == "__main__":
    main()
