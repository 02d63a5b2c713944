"""Manifests as kustomize builds them, and schemas in which a field that nobody knows is a mistake."""

import functools
import importlib.resources
import json
import subprocess
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from jsonschema.protocols import Validator
from referencing import Registry, Resource

ROOT = Path(__file__).resolve().parents[2]
FLINK_K8S = ROOT / "flink-k8s"
ENVIRONMENTS = ("dev", "prod")
#: What is applied to a cluster, each on its own.
BUILDS = ("platform", *(f"{kind}/{name}" for kind in ("overlays", "setup", "replay") for name in ENVIRONMENTS))
#: The version of Kubernetes that terraform/environments/ asks for.
KUBERNETES = "1.35"
#: Made by operator_validator/pom.xml.
OPERATOR_JARS = ROOT / "build" / "operator-validator" / "lib"
FLINK_DEPLOYMENT = "flink.apache.org/v1beta1/FlinkDeployment"

Manifest = dict[str, Any]


def built(kustomize: str, folder: Path) -> list[Manifest]:
    """Return what `kustomize build` makes of a folder.

    Raises:
        subprocess.CalledProcessError: it makes nothing of it.
    """
    made = subprocess.run([kustomize, "build", str(folder)], capture_output=True, text=True, check=True)  # noqa: S603 - our files
    return [each for each in yaml.safe_load_all(made.stdout) if each]


def misfits(manifests: Iterable[Manifest]) -> list[str]:
    """Return a line for each field that is unknown, missing or of the wrong form."""
    return [line for manifest in manifests for line in _misfits(manifest)]


def name_of(manifest: Mapping[str, Any]) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def set_at(place: Any, path: str, value: Any) -> None:
    """Make the value at `a/b/0/c` another one, or let it go with `None`; a `~` in a step is a slash of its name."""
    *way, last = [int(step) if step.isdigit() else step.replace("~", "/") for step in path.split("/")]
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value


def applied(patch: Iterable[Mapping[str, Any]], document: Any) -> Any:
    """Return a document with a JSON patch of additions applied to it."""
    for operation in patch:
        *way, last = operation["path"].strip("/").split("/")
        place = functools.reduce(lambda at, step: at[int(step) if isinstance(at, list) else step], way, document)
        place.insert(len(place) if last == "-" else int(last), operation["value"])
    return document


def _misfits(manifest: Manifest) -> list[str]:
    errors = _validator(manifest["apiVersion"], manifest["kind"]).iter_errors(manifest)
    return [f"{name_of(manifest)}: {_place(error)}: {error.message[:500]}" for error in map(_cause, errors)]


def _cause(error: jsonschema.ValidationError) -> jsonschema.ValidationError:
    """Return what is wrong in the alternative that fits best, where there are several."""
    return jsonschema.exceptions.best_match([error]) or error


def _place(error: jsonschema.ValidationError) -> str:
    return ".".join(str(step) for step in error.absolute_path)


@functools.cache
def _validator(api_version: str, kind: str) -> Validator:
    known = _custom_kinds()
    specification = known.get(f"{api_version}/{kind}")
    schema = _core_schema(api_version, kind) if specification is None else _object(api_version, kind, specification)
    return jsonschema.Draft202012Validator(schema, registry=_definitions())


def _object(api_version: str, kind: str, specification: dict[str, Any]) -> dict[str, Any]:
    return {
        "properties": {
            "apiVersion": {"const": api_version},
            "kind": {"const": kind},
            "metadata": {
                "$ref": "https://kubernetes.io/api/_definitions.json#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
            },
            "spec": _strict(specification),
        },
        "required": ["metadata", "spec"],
        "additionalProperties": False,
    }


def _strict(schema: Any) -> Any:
    """Return a schema in which an object has no fields but those that are listed."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    # A field may itself be called `properties`; what it holds is then a schema and has no schemas in it.
    if isinstance(schema.get("properties"), dict) and "x-kubernetes-preserve-unknown-fields" not in schema:
        strict = {"type": "object", "additionalProperties": False} | strict
    return strict


@functools.cache
def _custom_kinds() -> dict[str, Any]:
    kinds = yaml.safe_load((Path(__file__).parent / "custom_kinds.yaml").read_text())
    return kinds | {FLINK_DEPLOYMENT: _flink_deployment()}


def _flink_deployment() -> dict[str, Any]:
    """Return the operator's schema, of the newest version that Maven Central has, with the Flink that it lacks."""
    (jar,) = OPERATOR_JARS.glob("flink-kubernetes-operator-api-*.jar")
    with zipfile.ZipFile(jar) as files:
        definition = yaml.load(
            files.read("META-INF/fabric8/flinkdeployments.flink.apache.org-v1.yml"), Loader=yaml.CSafeLoader
        )
    patch = json.loads((FLINK_K8S / "platform" / "crd-flink-2.3.json").read_text())
    (version,) = applied(patch, definition)["spec"]["versions"]
    specification: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return specification


def _core_schema(api_version: str, kind: str) -> dict[str, Any]:
    """Return the schema of one of Kubernetes' own kinds: `job-batch-v1.json` is that of a Job."""
    group, _, version = api_version.rpartition("/")
    name = "-".join(filter(None, (kind.lower(), group.partition(".")[0], version)))
    schema: dict[str, Any] = json.loads((_schemas() / f"{name}.json").read_text())
    return schema


@functools.cache
def _definitions() -> Registry[Any]:
    definitions = Resource.from_contents(json.loads((_schemas() / "_definitions.json").read_text()))
    return definitions @ Registry()


def _schemas() -> Path:
    package = importlib.resources.files("kubernetes_validate")
    return Path(str(package)) / "kubernetes-json-schema" / f"v{KUBERNETES}.0-local-strict"
