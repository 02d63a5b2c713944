"""The image is made of what is locked and in the repository, holds no tools or secrets, and does not run as root."""

import fnmatch
import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from string import Template
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
IGNORED = (ROOT / ".dockerignore").read_text()
FLINK = "2.3.0"
JAVA = "17"
TOOLS = re.compile(r"(?:^|[\s/=])(apt-get|apt|apk|pip3?|uv|uvx|mvn|maven|gcc|make|git|curl|wget)(?=$|[\s/])")
SECRETS = re.compile(r"PASSWORD|SECRET|TOKEN|CREDENTIAL|WEBHOOK|_KEY\b", re.IGNORECASE)


class Instruction(NamedTuple):
    """One instruction with its continuation lines, and its `--name=value` options."""

    name: str
    options: dict[str, str]
    words: list[str]

    @property
    def text(self) -> str:
        return " ".join(self.words)


class Stage(NamedTuple):
    image: str
    name: str
    instructions: list[Instruction]

    def all(self, *names: str) -> list[Instruction]:
        return [each for each in self.instructions if each.name in names]


def read(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for logical in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, *words = logical.split()
        words = json.loads(" ".join(words)) if words[0].startswith("[") else words
        leading = next((i for i, word in enumerate(words) if not word.startswith("--")), len(words))
        options = dict(word.removeprefix("--").partition("=")[::2] for word in words[:leading])
        yield Instruction(name.upper(), options, words[leading:])


def stages(text: str) -> list[Stage]:
    """Return the stages, the arguments in `FROM` filled in with their defaults."""
    found: list[Stage] = []
    arguments: dict[str, str] = {}
    for each in read(text):
        if each.name == "FROM":
            image = Template(each.words[0]).substitute(arguments)
            found.append(Stage(image, each.words[-1] if len(each.words) > 1 else "", []))
        elif found:
            found[-1].instructions.append(each)
        else:
            arguments |= [each.text.split("=", 1)]
    return found


def is_in_context(path: str, ignored: str) -> bool:
    """Say whether `.dockerignore` lets a path through: the last pattern that fits it or a folder above it counts."""
    kept = True
    for pattern in [line for line in ignored.splitlines() if line and not line.startswith("#")]:
        plain = pattern.removeprefix("!").removeprefix("**/")
        above = [path, *(str(parent) for parent in Path(path).parents)]
        names = [Path(each).name for each in above] if "**/" in pattern else above
        if any(fnmatch.fnmatchcase(each, plain) for each in names):
            kept = pattern.startswith("!")
    return kept


def tracked() -> list[str]:
    return subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S607


def below(path: str, source: str) -> bool:
    return path == source or path.startswith(source.rstrip("/") + "/")


def problems_of_bases(text: str) -> Iterator[str]:
    made = stages(text)
    for stage in made:
        if stage.image in {each.name for each in made}:
            continue
        tag = stage.image.partition("@")[0].partition(":")[2]
        if not re.match(r"\d+\.\d+\.\d+", tag):
            yield f"{stage.image} names no exact version"
        if stage is not made[-1] and "@sha256:" not in stage.image:
            yield f"{stage.image} has no digest"


def problems_of_installs(text: str) -> Iterator[str]:
    for command in [part for stage in stages(text) for run in stage.all("RUN") for part in run.text.split("&&")]:
        if "pip install" in command and not re.search(r"--(require-hashes|no-deps)\b", command):
            yield f"installed without hashes: {command.strip()}"
        if "uv build" in command and "--require-hashes" not in command:
            yield f"built with what has no hash: {command.strip()}"


def problems_of_copies(text: str, ignored: str = IGNORED) -> Iterator[str]:
    names, files, copied = {stage.name for stage in stages(text)}, tracked(), []
    for copy in [each for stage in stages(text) for each in stage.all("COPY", "ADD")]:
        if copy.name == "ADD":
            yield f"ADD {copy.text} may fetch and unpack; COPY does not"
        if "from" in copy.options:
            if copy.options["from"] not in names:
                yield f"COPY from {copy.options['from']}, which is no stage"
            continue
        for source in copy.words[:-1]:
            found = [file for file in files if below(file, source)]
            copied += found
            if not found:
                yield f"COPY {source} is not in the repository"
            yield from (
                f"COPY {file} is kept out by .dockerignore" for file in found if not is_in_context(file, ignored)
            )
    yield from (
        f"{file} is in the context, and nobody copies it"
        for file in sorted({file for file in files if is_in_context(file, ignored)} - {*copied})
    )


def problems_of_the_last_stage(text: str) -> Iterator[str]:
    last = stages(text)[-1]
    users = last.all("USER")
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1].text):
        yield f"runs as {users[-1].text if users else 'whom the base says'}, not as a user's number that is not root's"
    for each in last.all("RUN", "COPY"):
        yield from (f"{tool} has no place in the image: {each.name} {each.text}" for tool in TOOLS.findall(each.text))
    (entry,) = last.all("ENTRYPOINT")
    if entry.words[0] not in [copy.words[-1] for copy in last.all("COPY") if copy.options.get("chmod") == "755"]:
        yield f"ENTRYPOINT {entry.words[0]} is not copied as a program"


def problems_of_secrets(text: str) -> Iterator[str]:
    for each in [each for each in read(text) if each.name in {"ARG", "ENV"}]:
        names = [word.partition("=")[0] for word in each.words]
        yield from (f"{each.name} {name}: whoever has the image can read it" for name in names if SECRETS.search(name))


def problems_of_versions(text: str) -> Iterator[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    *builders, last = stages(text)
    labels = dict(word.split("=", 1) for word in last.all("LABEL")[0].text.replace('"', "").split() if "=" in word)
    python = next(
        each.text.partition("=")[2] for stage in builders for each in stage.all("ARG") if "PYTHON" in each.text
    )
    expected = {
        "base": (last.image.partition("@")[0], f"flink:{FLINK}-scala_2.12-java{JAVA}"),
        "base.name": (
            labels["org.opencontainers.image.base.name"],
            "docker.io/library/" + last.image.partition("@")[0],
        ),
        "apache-flink": (f"apache-flink=={FLINK}" in project["dependencies"], True),
        "label version": (labels["org.opencontainers.image.version"], project["version"]),
        "Python": (".".join(python.split(".")[:2]), "3.12"),
        "folder of the packages": ({*re.findall(r"python(3\.\d+)/", text)}, {"3.12"}),
        "jars": ({*re.findall(r"flink-[a-z0-9-]+-(\d[\d.]*)\.jar", text)}, {FLINK}),
        "JDK of the jars": (f"-temurin-{JAVA}@" in builders[0].image, True),
        **{f"flink.version of {pom}": (f"<flink.version>{FLINK}<" in (ROOT / pom).read_text(), True) for pom in POMS},
    }
    yield from (f"{what} is {found}, not {wanted}" for what, (found, wanted) in expected.items() if found != wanted)


POMS = ("connectors/pom.xml", "local/jars/pom.xml")
CHECKS: tuple[Callable[[str], Iterator[str]], ...] = (
    problems_of_bases,
    problems_of_installs,
    problems_of_copies,
    problems_of_the_last_stage,
    problems_of_secrets,
    problems_of_versions,
)


def problems(text: str) -> list[str]:
    return [problem for check in CHECKS for problem in check(text)]


def hadolint(program: str, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, "-"], input=text, capture_output=True, text=True, check=False)  # noqa: S603


def test_the_dockerfile_keeps_every_rule():
    assert problems(DOCKERFILE) == []


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("USER 9999:9999", "USER 0:0", "runs as 0:0"),
        ("USER 9999:9999", "USER flink", "runs as flink"),
        ("=flink:2.3.0-scala_2.12-java17\n", "=flink:latest\n", "flink:latest names no exact version"),
        (
            "=flink:2.3.0-scala_2.12-java17\n",
            "=flink:2.2.1-scala_2.12-java17\n",
            "base is flink:2.2.1-scala_2.12-java17",
        ),
        ("@sha256:392307d", " #", "python:3.12.14-slim-bookworm has no digest"),
        (
            "    uv pip install --python /opt/cali/bin/python --require-hashes",
            "    uv pip install",
            "without hashes: uv pip",
        ),
        ("pip install --no-cache-dir --require-hashes", "pip install", "without hashes: pip install"),
        ("uv build --wheel --require-hashes", "uv build --wheel", "built with what has no hash"),
        ("COPY udfs udfs", "COPY udf udfs", "COPY udf is not in the repository"),
        ("COPY udfs udfs", "", "udfs/ids.py is in the context, and nobody copies it"),
        ("COPY udfs udfs", "COPY udfs udfs\nCOPY docs docs", "docs/operations.md is kept out by .dockerignore"),
        ("--from=jars /jars", "--from=jar /jars", "COPY from jar, which is no stage"),
        ("RUN rm -rf /opt/flink/opt/python", "RUN apt-get install -y gcc", "gcc has no place in the image"),
        (
            "COPY --chmod=755",
            "COPY --from=packages /usr/local/bin/uv /bin/\nCOPY --chmod=755",
            "uv has no place in the image",
        ),
        ("COPY --chmod=755", "COPY", "/entrypoint.sh is not copied as a program"),
        ("ARG REVISION=unknown", "ARG REVISION=unknown\nARG GITHUB_TOKEN", "ARG GITHUB_TOKEN: whoever has the image"),
        ("ENV PATH=", "ENV CALI_OPENAI_API_KEY=sk-1\nENV PATH=", "ENV CALI_OPENAI_API_KEY: whoever has the image"),
        ('image.version="0.1.0"', 'image.version="0.2.0"', "label version is 0.2.0, not 0.1.0"),
        ("flink-s3-fs-native-2.3.0.jar", "flink-s3-fs-native-2.2.0.jar", "jars is "),
        ("PYTHON_VERSION=3.12.16", "PYTHON_VERSION=3.13.1", "Python is 3.13, not 3.12"),
    ],
)
def test_a_mistake_in_the_dockerfile_is_named(right, wrong, problem):
    assert right in DOCKERFILE
    assert any(problem in found for found in problems(DOCKERFILE.replace(right, wrong)))


@pytest.mark.parametrize(
    ("path", "is_in"),
    [
        ("jobs/cli.py", True),
        ("connectors/src/main/java/A.java", True),
        ("connectors/src/test/java/A.java", False),
        ("connectors/target/classes/A.class", False),
        ("requirements/job.txt", True),
        ("requirements/dev.txt", False),
        ("jobs/__pycache__/cli.cpython-312.pyc", False),
        (".git/config", False),
        (".env", False),
        ("terraform/environments/prod/terraform.tfstate", False),
    ],
)
def test_the_context_holds_what_is_copied_and_nothing_else(path, is_in):
    assert is_in_context(path, IGNORED) is is_in


def test_a_context_without_a_file_that_is_copied_is_named():
    without = IGNORED.replace("!schemas\n", "")
    assert any("schemas/" in found for found in problems_of_copies(DOCKERFILE, without))


def test_hadolint_finds_nothing(require_tool):
    found = hadolint(require_tool("hadolint"), DOCKERFILE)
    assert (found.returncode, found.stdout) == (0, "")


def test_hadolint_finds_a_mistake(require_tool):
    found = hadolint(require_tool("hadolint"), DOCKERFILE.replace("USER 9999:9999", "USER root"))
    assert found.returncode == 1
    assert "DL3002" in found.stdout


@pytest.fixture
def run_entry(tmp_path: Path) -> Callable[..., str]:
    """Run the image's entry script; `cali` and Flink's own script say who they are, their arguments and variables."""
    for name in ("docker-entrypoint.sh", "cali"):
        stub = tmp_path / name
        stub.write_text(f'#!/bin/sh\necho "{name} $$ $#" "$@"\nenv | grep -v ^_= | sort\nexit 7\n')
        stub.chmod(0o755)
    text = (ROOT / "docker" / "entrypoint.sh").read_text()
    script = tmp_path / "entrypoint.sh"
    script.write_text(text.replace("/docker-entrypoint.sh", str(tmp_path / "docker-entrypoint.sh")))

    def run(*arguments: str) -> str:
        started = subprocess.Popen(  # noqa: S603
            ["/bin/sh", str(script), *arguments],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PWD": str(tmp_path)},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        said, _ = started.communicate()
        assert started.returncode == 7, said
        return said.replace(f" {started.pid} ", " PID ").replace(str(tmp_path), "TMP")

    return run


@pytest.mark.parametrize(
    ("arguments", "who"),
    [
        (["cali", "index", "catch-up", "a  b"], "cali PID 3 index catch-up a  b"),
        (["bash", "-c", "kubernetes-jobmanager.sh kubernetes-application"], "docker-entrypoint.sh PID 3 bash -c kuber"),
        (["standalone-job", "--job-classname", "X"], "docker-entrypoint.sh PID 3 standalone-job --job-classname X"),
        (["help"], "docker-entrypoint.sh PID 1 help"),
        ([], "docker-entrypoint.sh PID 0"),
    ],
)
def test_the_entry_hands_over_to_the_command_or_to_flink(run_entry, arguments, who):
    said = run_entry(*arguments)
    assert said.startswith(who)
    # Kubernetes starts Flink's script without ours: what ours set would be missing there.
    assert said.splitlines()[1:] == ["PATH=TMP:/usr/bin:/bin", "PWD=TMP"]
