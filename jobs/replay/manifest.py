"""From the manifest that is deployed with a release to the FlinkDeployment of one run.

`flink-k8s/replay` is where a replay is described. What a run adds is a name, and what follows from it: nothing that one
run writes has the name of what another writes.
"""

import copy
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from jobs.log_insight.settings import Content, Settings, SourceKind

Object = dict[str, Any]

NAME = "log-insight-replay"
NAMESPACE = "cali"
MAIN_CONTAINER = "flink-main-container"
#: The operator takes names of at most 45 characters.
RUN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,24}[a-z0-9])?")
#: Where Flink keeps state. Two runs may be there at the same time.
_STATE = ("execution.checkpointing.dir", "execution.checkpointing.savepoint-dir", "high-availability.storageDir")


#: Characters of a value in a message.
_SHORT = 200


class ManifestError(Exception):
    """The manifest is not one of a replay, or not of this environment."""


class Run(NamedTuple):
    """What is called after a run."""

    id: str

    @property
    def deployment(self) -> str:
        """Name of the FlinkDeployment."""
        return f"{NAME}-{self.id}"

    @property
    def job_name(self) -> str:
        """Name in Flink and in metrics; alert rules know a replay by it."""
        return f"log_insight-replay-{self.id}"

    @property
    def index_prefix(self) -> str:
        """What the names of its indices begin with."""
        return f"replay-{self.id}-"

    def dead_letters(self, settings: Settings) -> str:
        """Return where its dead letters are; `settings` are the live job's."""
        return f"{self._folder(settings)}/dlq"

    def index_backlog(self, settings: Settings) -> str:
        """Return where is what OpenSearch did not take in time; `settings` are the live job's."""
        return f"{self._folder(settings)}/index-backlog"

    def _folder(self, settings: Settings) -> str:
        # Beside the live dead letters: a replay's may hold what those hold.
        parent, _ = _split(settings.store.dead_letters)
        return f"{parent}replay-{self.id}"


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class _Named(_Part):
    name: str


class _ConfigMapSource(_Part):
    config_map_ref: _Named | None = None


class _Container(_Named):
    env: list[_Named] = []
    env_from: list[_ConfigMapSource] = []


class _PodSpec(_Part):
    containers: list[_Container]


class _PodMetadata(_Part):
    labels: dict[str, str] = {}


class _PodTemplate(_Part):
    metadata: _PodMetadata = _PodMetadata()
    spec: _PodSpec


class _Spec(_Part):
    flink_configuration: dict[str, str]
    pod_template: _PodTemplate


class _Deployment(_Part):
    """What `build` takes for granted of a FlinkDeployment."""

    metadata: dict[str, Any]
    spec: _Spec


class _ConfigMap(_Part):
    metadata: _Named
    data: dict[str, str]


class Template(NamedTuple):
    """A FlinkDeployment, and the data of the ConfigMaps that came with it, by name."""

    deployment: Object
    config_maps: Mapping[str, Mapping[str, str]]


def run_named(text: str) -> Run:
    """Return a run by its id.

    Raises:
        ValueError: what is called after it would have no valid name in Kubernetes or OpenSearch.
    """
    if not RUN.fullmatch(text):
        raise ValueError("not 1 to 26 of a-z, 0-9 and '-', with none of these at the ends")
    return Run(text)


def read_template(path: Path) -> Template:
    """Read the manifest.

    Raises:
        ManifestError: it cannot be read, there is not one FlinkDeployment in it, or one that is not whole.
    """
    try:
        found = [each for each in yaml.safe_load_all(path.read_text()) if each]
        by_kind = {kind: [each for each in found if each["kind"] == kind] for kind in ("FlinkDeployment", "ConfigMap")}
        (deployment,) = by_kind["FlinkDeployment"]
        _Deployment.model_validate(deployment)
        config_maps = [_ConfigMap.model_validate(each) for each in by_kind["ConfigMap"]]
        return Template(deployment, {each.metadata.name: each.data for each in config_maps})
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise ManifestError(f"{path}: {place}: {problem['msg']}") from None
    except OSError as error:
        raise ManifestError(
            f"{path}: cannot be read: {error.strerror}; CALI_REPLAY__MANIFEST names a file with what"
            " `kubectl kustomize flink-k8s/replay/ENV` prints"
        ) from None
    except (yaml.YAMLError, ValueError, KeyError, TypeError):
        raise ManifestError(f"{path}: not a manifest with one FlinkDeployment and its ConfigMap") from None


def build(template: Template, run: Run, settings: Settings, paths: Sequence[str]) -> Object:
    """Return the FlinkDeployment of a run that reads `paths`; `settings` are the live job's.

    The settings of the pods stand in it one by one, so that it needs no ConfigMap that could change or go.

    Raises:
        ManifestError: the manifest's job is of another environment, or would write where the live job writes.
    """
    made = copy.deepcopy(template.deployment)
    spec = made["spec"]
    container = _main_container(spec)
    variables = _variables(container.pop("envFrom", []), template)
    _require_replay(variables, settings)
    _require_namespace(made)
    own = variables | _run_variables(run, settings, paths)
    kept = [each for each in container.get("env", []) if each["name"] not in own]
    container["env"] = kept + [{"name": name, "value": value} for name, value in sorted(own.items())]
    configuration = spec["flinkConfiguration"]
    configuration |= {option: _below(configuration[option], run) for option in _STATE if option in configuration}
    labels = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": run.id}
    made["metadata"] = {"name": run.deployment, "namespace": NAMESPACE, "labels": labels}
    pod = spec["podTemplate"].setdefault("metadata", {})
    pod["labels"] = pod.get("labels", {}) | labels
    return made


def differences(wanted: Any, found: Any, place: str = "spec") -> list[str]:
    """Return what of a spec is not as it is wanted, a line each. What Kubernetes added to it is no difference."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [line for key, value in wanted.items() for line in differences(value, found.get(key), f"{place}.{key}")]
    if isinstance(wanted, list) and isinstance(found, list):
        if place.endswith(".env"):
            return differences(_by_name(wanted), _by_name(found), place)
        if len(wanted) == len(found):
            pairs = enumerate(zip(wanted, found, strict=True))
            return [line for index, pair in pairs for line in differences(*pair, f"{place}.{index}")]
    return [] if wanted == found else [f"{place} is {_short(found)}, not {_short(wanted)}"]


def _main_container(spec: Object) -> Object:
    for container in spec["podTemplate"]["spec"]["containers"]:
        if container["name"] == MAIN_CONTAINER:
            found: Object = container
            return found
    raise ManifestError(f"its pod template has no container {MAIN_CONTAINER}")


def _variables(sources: Iterable[Object], template: Template) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in sources:
        name = source.get("configMapRef", {}).get("name")
        if name not in template.config_maps:
            raise ManifestError(
                f"it takes settings from {name or 'what is no ConfigMap'}, which is not in the manifest"
            )
        found |= template.config_maps[name]
    return found


def _require_replay(variables: Mapping[str, str], settings: Settings) -> None:
    environment = variables.get("CALI_ENVIRONMENT", "dev")
    if environment != settings.environment:
        raise ManifestError(f"it is of environment {environment}, and CALI_ENVIRONMENT here is {settings.environment}")
    if variables.get("CALI_STORE__WRITE_ARCHIVE") != "false" or variables.get("CALI_NOTIFY__ENABLED") != "false":
        raise ManifestError("it is not of a replay, which writes no archive and posts nothing")


def _require_namespace(deployment: Object) -> None:
    namespace = deployment["metadata"].get("namespace", NAMESPACE)
    if namespace != NAMESPACE:
        raise ManifestError(f"it is for namespace {namespace}, not {NAMESPACE}")


def _run_variables(run: Run, settings: Settings, paths: Sequence[str]) -> dict[str, str]:
    kind = SourceKind.S3 if paths[0].startswith("s3://") else SourceKind.FILE
    return {
        "CALI_FLINK__JOB_NAME": run.job_name,
        "CALI_INDEX__PREFIX": run.index_prefix,
        "CALI_SOURCE__KIND": kind.value,
        "CALI_SOURCE__CONTENT": Content.ARCHIVE.value,
        "CALI_SOURCE__PATH": json.dumps(list(paths)),
        "CALI_STORE__DEAD_LETTERS": run.dead_letters(settings),
        "CALI_STORE__INDEX_BACKLOG": run.index_backlog(settings),
    }


def _below(folder: str, run: Run) -> str:
    parent, name = _split(folder)
    return f"{parent}{run.id}/{name}".rstrip("/")


def _split(folder: str) -> tuple[str, str]:
    """Return what a folder lies in, with the `/` after it, and its name. A bucket lies in itself, without a name."""
    scheme, separator, path = folder.rstrip("/").rpartition("://")
    if scheme == "s3" and "/" not in path:
        return f"s3://{path}/", ""
    parent, slash, name = path.rpartition("/")
    return f"{scheme}{separator}{parent}{slash}", name


def _by_name(variables: Iterable[Object]) -> Object:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in variables}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
