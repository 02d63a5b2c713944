"""The job on the stack: what it expects to be there, and its start."""

import os
from collections.abc import Mapping

from jobs.knowledge import sync
from jobs.log_insight.opensearch import connect
from jobs.log_insight.opensearch_setup import install_templates
from jobs.log_insight.settings import load_secrets, load_settings
from local.paths import ROOT
from local.stack import Stack

RUNNING_SECONDS = 120.0


def submit_job(stack: Stack, extra_env: Mapping[str, str] | None = None) -> str:
    """Fill the knowledge base, install the index templates, submit the job; return its id when every task runs.

    `extra_env` goes before the stack's own environment. Both are put into this process's environment, where settings
    are read from: the process is a client of this stack from then on.

    Raises:
        FlinkError: the job was refused or does not run.
        SettingsError: a setting is wrong.
    """
    os.environ.update(stack.environment() | dict(extra_env or {}))
    settings, secrets = load_settings(), load_secrets()
    # Unchecked: the documents come with the code, and their queries would take ten seconds of every start.
    sync(str(ROOT / "knowledge"), settings, secrets, unchecked=True)
    with connect(settings.index, secrets) as opensearch:
        install_templates(opensearch, settings.index.prefix)
    job_id = stack.flink.submit(env=extra_env)
    stack.flink.await_state(job_id, "RUNNING", RUNNING_SECONDS)
    return job_id
