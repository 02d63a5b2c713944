"""FlinkDeployments, through the API of Kubernetes."""

import json
import os
from typing import Any

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from jobs.replay.manifest import NAMESPACE, Object

_RESOURCE = {
    "group": "flink.apache.org",
    "version": "v1beta1",
    "namespace": NAMESPACE,
    "plural": "flinkdeployments",
}
#: Seconds to connect, and to wait for the answer.
_TIMEOUT = (5.0, 20.0)
_NOT_FOUND, _CONFLICT, _TOO_MANY, _SERVER_ERROR = 404, 409, 429, 500


class NoClusterError(Exception):
    """Nothing says which cluster to speak to, or with which credentials."""


class RefusedError(Exception):
    """Kubernetes will not do it, now or later; the message says why."""


class UnavailableError(Exception):
    """Kubernetes does not answer, or not now."""


class ExistsError(Exception):
    """There is one of this name."""


class Deployments:
    """The FlinkDeployments of namespace `cali`. No call takes longer than 25 seconds, and none is repeated."""

    def __init__(self) -> None:
        """Find the cluster: that of the pod this runs in, or of a kubeconfig.

        Raises:
            NoClusterError: there is neither, or it cannot be read.
        """
        settings = client.Configuration()
        kubeconfig = os.environ.get("KUBECONFIG")
        try:
            if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
                config.load_incluster_config(client_configuration=settings)
            else:
                config.load_kube_config(kubeconfig, client_configuration=settings)
        except config.ConfigException as error:
            reason = str(error).rstrip(". ")
            raise NoClusterError(
                f"no cluster: {reason}; in a pod mount the account's token, elsewhere set KUBECONFIG"
            ) from None
        except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
            # Its words would be those of the file, which holds credentials.
            raise NoClusterError(
                f"no cluster: the kubeconfig cannot be read ({type(error).__name__}); set KUBECONFIG to another"
            ) from None
        settings.retries = False
        self._api = client.CustomObjectsApi(client.ApiClient(settings))

    def find(self, name: str) -> Object | None:
        """Return a FlinkDeployment, if it is there.

        Raises:
            RefusedError, UnavailableError: it could not be asked.
        """
        try:
            return _deployment(self._call(self._api.get_namespaced_custom_object, name=name))
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise _translated(error) from None

    def create(self, deployment: Object) -> None:
        """Create a FlinkDeployment.

        Raises:
            ExistsError: there is one of this name.
            RefusedError: it is no valid one, or this account may not.
            UnavailableError: no answer; it may be there all the same.
        """
        try:
            _deployment(self._call(self._api.create_namespaced_custom_object, body=deployment))
        except ApiException as error:
            if error.status == _CONFLICT:
                raise ExistsError(deployment["metadata"]["name"]) from None
            raise _translated(error) from None

    def delete(self, name: str) -> None:
        """Ask for a FlinkDeployment to be deleted; one that is gone is no error. The operator takes it down first.

        Raises:
            RefusedError, UnavailableError: it could not be asked.
        """
        try:
            self._call(self._api.delete_namespaced_custom_object, name=name)
        except ApiException as error:
            if error.status != _NOT_FOUND:
                raise _translated(error) from None

    def _call(self, method: Any, **arguments: Any) -> Any:
        try:
            return method(**_RESOURCE, **arguments, _request_timeout=_TIMEOUT)
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(f"Kubernetes does not answer: {type(error).__name__}") from None


def _deployment(answer: Any) -> Object:
    """Return an answer that is a FlinkDeployment. What else answers with 200 is no Kubernetes: a proxy, say."""
    if isinstance(answer, dict) and answer.get("kind") == "FlinkDeployment":
        parts = (answer.get("metadata"), answer.get("spec"), answer.get("status") or {})
        if all(isinstance(part, dict) for part in parts):
            return answer
    raise UnavailableError("what answers in place of Kubernetes sends no FlinkDeployment")


def _translated(error: ApiException) -> Exception:
    status = int(error.status or 0)
    text = f"Kubernetes says {status}: {_message(error)}"
    return UnavailableError(text) if status == _TOO_MANY or status >= _SERVER_ERROR else RefusedError(text)


def _message(error: ApiException) -> str:
    """Return what the API says is wrong. Headers, which hold a trace of the credentials, are left out."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
