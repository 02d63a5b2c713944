"""What the DAGs share: a `cali` command as a pod, when it is tried again, and what Slack is told.

Airflow puts the folder of the DAGs on `sys.path`, so they import this module by its name. Nothing here asks anybody
anything while a DAG is read: addresses of an environment are Airflow variables, filled in when a task runs.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier
from airflow.sdk import AsyncCallback, Context, RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import models as k8s

NAMESPACE = "cali"
CONTAINER = "cali"
SECRETS_DIR = "/var/run/secrets/cali"
MANIFEST_DIR = "/etc/cali/replay"
#: The connection of type "Slack Incoming Webhook"; its password is the webhook's address.
SLACK = "cali_slack"
#: How long a pod may wait for a node, and then for its image.
START = timedelta(minutes=10)
#: What a command says by its exit code: no, for good (1); a wrong setting (2). Asking again gives the same answer.
FINAL = frozenset({1, 2})

#: So much of a log is quoted in a message.
SLACK_CHARACTERS = 1500
#: So much of a log becomes a pod's termination message.
KEPT_BYTES = 2048


def last_words(exception: object) -> str:
    """Return the end of what a pod said, which is the exception's text, for a code block of Slack.

    Results, which a command writes as JSON lines, are left out. Kubernetes keeps `KEPT_BYTES` of a log: where there is
    so much, what it begins with may be the rest of one.
    """
    text = str(exception)
    first, *lines = text.splitlines() or [""]
    if lines and lines[0].endswith("}") and len(text.encode()) >= KEPT_BYTES:
        del lines[0]
    said = "\n".join([first, *(line for line in lines if not line.startswith("{"))])[-SLACK_CHARACTERS:]
    for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("`", "'")):
        said = said.replace(character, escaped)
    return said


#: What every DAG is made with.
DAG_ARGS: dict[str, Any] = {
    "default_args": {
        "owner": "cali",
        # A pod that was lost, or a Kubernetes that did not answer, is tried again.
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=15),
    },
    "user_defined_filters": {"last_words": last_words},
}


class UnlessFinal(RetryPolicy):
    """Fails a task at once whose command has given a final answer, by its exit code."""

    def __init__(self, final: frozenset[int] = FINAL) -> None:
        self.final = final

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Look at how the pod of the task ended; a pod that did not end by itself says nothing."""
        del exception, try_number, max_tries
        code = exit_code(context["task"].remote_pod) if context else None
        if code in self.final:
            return RetryDecision.fail(reason=f"exit code {code} is an answer, not a failure to give one")
        return RetryDecision.default()


def exit_code(pod: k8s.V1Pod | None) -> int | None:
    """Return the exit code of the command in a pod, or None where it has not ended."""
    statuses = (pod.status.container_statuses if pod and pod.status else None) or []
    ended = [each.state.terminated for each in statuses if each.name == CONTAINER and each.state]
    return next((int(each.exit_code) for each in ended if each), None)


def ended_well(context: Context, result: Any = None) -> None:
    """Fail a task whose pod did not end with 0.

    The operator itself takes a pod for done that it has deleted on the way, as it does when Airflow is restarted.

    Raises:
        AirflowException: the exit code is another.
    """
    del result
    code = exit_code(context["task"].remote_pod)
    if code != 0:
        raise AirflowException(f"the pod was ended before its command was (exit code {code})")


def cali(
    task_id: str,
    arguments: Sequence[str],
    *,
    about: str,
    doc_md: str,
    timeout: timedelta,
    pool: str,
    cpu: str = "500m",
    memory: str = "512Mi",
    final: frozenset[int] = FINAL,
    asks_kubernetes: bool = False,
    manifest: str | None = None,
) -> KubernetesPodOperator:
    """Return a task that runs `cali ARGUMENTS…` in the project's image.

    Args:
        task_id: of the task.
        arguments: of `cali`, templated by Airflow. Kubernetes puts the pod's variable NAME where they have `$(NAME)`.
        about: what Slack is told of the run when the task has failed for good: templated, in Slack's markup.
        doc_md: what the task does, for the UI.
        timeout: for a try, from the start of the command to its end; its pod may wait for a node and an image before.
        pool: of Airflow, which bounds how many of them run at a time.
        cpu: what the pod gets.
        memory: what the pod gets, and what it is killed above.
        final: exit codes after which it is not tried again.
        asks_kubernetes: whether the command speaks to Kubernetes' API, with the rights of cali-tools.
        manifest: of replays, a ConfigMap with `manifest.yaml`.
    """
    volumes, mounts = _volumes(manifest)
    variables = {"CALI_SECRETS_DIR": SECRETS_DIR}
    if manifest:
        variables["CALI_REPLAY__MANIFEST"] = f"{MANIFEST_DIR}/manifest.yaml"
    return KubernetesPodOperator(
        task_id=task_id,
        name="{{ ti.dag_id }}-{{ ti.task_id }}",
        namespace=NAMESPACE,
        image="{{ var.value.cali_image }}",
        arguments=["cali", *arguments],
        env_from=[k8s.V1EnvFromSource(config_map_ref=k8s.V1ConfigMapEnvSource(name="cali-settings"))],
        env_vars=variables,
        volumes=volumes,
        volume_mounts=mounts,
        container_resources=_resources(cpu, memory),
        base_container_name=CONTAINER,
        labels={"app.kubernetes.io/name": "{{ ti.dag_id }}", "app.kubernetes.io/part-of": "cali"},
        node_selector={"kubernetes.io/arch": "amd64"},
        service_account_name="cali-tools",
        automount_service_account_token=asks_kubernetes,
        security_context=_POD_SECURITY,
        container_security_context=_CONTAINER_SECURITY,
        # It is found again by an Airflow that has lost its process (`durable`, the default); its log is in Airflow.
        on_finish_action="delete_pod",
        startup_timeout_seconds=int(START.total_seconds()),
        schedule_timeout_seconds=int(START.total_seconds()),
        # Whoever loses sight of the pod does not leave it behind for ever.
        active_deadline_seconds=int((timeout + 2 * START).total_seconds()),
        get_logs=True,
        log_events_on_failure=True,
        container_name_log_prefix_enabled=False,
        # The last lines of the log become the message of the exception, and the message of Slack.
        termination_message_policy="FallbackToLogsOnError",
        log_pod_spec_on_failure=False,
        # An init process there is none, and the command does not ask for time to end.
        termination_grace_period=5,
        execution_timeout=timeout + 2 * START,
        post_execute=ended_well,
        pool=pool,
        retry_policy=UnlessFinal(final),
        on_failure_callback=failure(about),
        doc_md=doc_md,
    )


def failure(about: str) -> SlackWebhookNotifier:
    """Return what tells Slack, once, that a task has failed for good: `about`, the task, its log, its last words."""
    task = "Task `{{ ti.task_id }}`, try {{ ti.try_number }}: <{{ ti.log_url }}|log>"
    said = "```{{ exception | default('Airflow has lost the task; its log may say more') | last_words }}```"
    return SlackWebhookNotifier(
        slack_webhook_conn_id=SLACK, text=f":x: *{{{{ dag.dag_id }}}}* failed: {about}\n{task}\n{said}"
    )


def late(text: str) -> AsyncCallback:
    """Return what tells Slack that a run has missed its deadline; in `text`, `dag_run` and `deadline` are known.

    It runs in the triggerer, where the folder of the DAGs is not on `sys.path`: only what a package has can be named.
    """
    return AsyncCallback(SlackWebhookNotifier, kwargs={"slack_webhook_conn_id": SLACK, "text": f":hourglass: {text}"})


_POD_SECURITY = k8s.V1PodSecurityContext(
    run_as_non_root=True,
    run_as_user=9999,
    run_as_group=9999,
    fs_group=9999,
    seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
)
_CONTAINER_SECURITY = k8s.V1SecurityContext(
    allow_privilege_escalation=False,
    read_only_root_filesystem=True,
    capabilities=k8s.V1Capabilities(drop=["ALL"]),
)


def _resources(cpu: str, memory: str) -> k8s.V1ResourceRequirements:
    return k8s.V1ResourceRequirements(
        requests={"cpu": cpu, "memory": memory, "ephemeral-storage": "64Mi"},
        limits={"cpu": cpu, "memory": memory, "ephemeral-storage": "1Gi"},
    )


def _volumes(manifest: str | None) -> tuple[list[k8s.V1Volume], list[k8s.V1VolumeMount]]:
    secrets = k8s.V1SecretVolumeSource(secret_name="cali-secrets", default_mode=0o440)  # noqa: S106 - the group is fsGroup
    volumes = [
        k8s.V1Volume(name="secrets", secret=secrets),
        k8s.V1Volume(name="tmp", empty_dir=k8s.V1EmptyDirVolumeSource(size_limit="512Mi")),
    ]
    mounts = [
        k8s.V1VolumeMount(name="secrets", mount_path=SECRETS_DIR, read_only=True),
        k8s.V1VolumeMount(name="tmp", mount_path="/tmp"),  # noqa: S108 - the pod's own
    ]
    if manifest:
        volumes.append(k8s.V1Volume(name="manifest", config_map=k8s.V1ConfigMapVolumeSource(name=manifest)))
        mounts.append(k8s.V1VolumeMount(name="manifest", mount_path=MANIFEST_DIR, read_only=True))
    return volumes, mounts
