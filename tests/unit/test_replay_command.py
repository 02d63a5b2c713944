"""`cali replay` against an API that speaks as Kubernetes does: what it does once, again, and when it gets no answer."""

import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from typer.testing import CliRunner

from jobs.cli import app
from jobs.commands import replay
from jobs.commands.objects import ObjectGoneError
from jobs.replay.compare import Row
from local.flink import FlinkError
from local.kubernetes import RESOURCE, Kubernetes, replay_manifest
from local.ports import free_port

HOURS = ("--from", "2026-11-22T09:00Z", "--to", "2026-11-22T11:00Z")
NAME = "log-insight-replay-7"
CERTIFICATE = """
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: 'https://127.0.0.1:9', certificate-authority-data: hunter2}}]
users: []
"""


class Cluster:
    """Stands in for Flink: a job is in the state that the test says."""

    def __init__(self):
        self.started = []
        self.now = "RUNNING"
        self.refusal = None

    def submit(self, arguments=(), env=None, *, module=""):
        assert arguments == ()
        if self.refusal:
            raise FlinkError(self.refusal)
        self.started.append((module, env))
        return f"{len(self.started):032x}"

    def state(self, job_id):
        assert job_id
        return self.now

    def root_exception(self, job_id):
        return f"java.io.IOException: cannot read what {job_id} wants, token=hunter2-Xy9qLm"

    def cancel(self, job_id):
        assert job_id
        self.now = "CANCELED"


@pytest.fixture
def flink():
    return Cluster()


@pytest.fixture
def kubernetes(flink, tmp_path, monkeypatch):
    """The API, an archive with one of the two hours in it, and a manifest."""
    monkeypatch.setattr(replay, "POLL_SECONDS", 0.05)
    hour = tmp_path / "archive" / "dt=2026-11-22" / "hour=10"
    hour.mkdir(parents=True)
    (hour / "part-0.ndjson.gz").touch()
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(replay_manifest({}))
    monkeypatch.setenv("CALI_REPLAY__MANIFEST", str(manifest))
    monkeypatch.setenv("CALI_STORE__ARCHIVE", str(tmp_path / "archive"))
    monkeypatch.setenv("CALI_STORE__DEAD_LETTERS", str(tmp_path / "dlq"))
    with Kubernetes(tmp_path, flink) as part:
        monkeypatch.setenv("KUBECONFIG", str(part.kubeconfig))
        yield part


def cali(*arguments):
    return CliRunner().invoke(app, ["replay", *arguments])


def started():
    ended = cali("start", "--run", "7", *HOURS)
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def test_a_run_reads_the_hours_that_are_there_with_its_own_settings(kubernetes, flink, tmp_path):
    assert kubernetes
    said = started()
    assert said["deployment"] == NAME
    assert said["paths"] == [str(tmp_path / "archive/dt=2026-11-22/hour=10")]
    assert cali("wait", "--run", "7", "--timeout", "0.01").exit_code == 3
    ((module, env),) = flink.started
    assert module == "jobs.log_insight"
    assert env["CALI_SOURCE__KIND"] == "file"
    assert json.loads(env["CALI_SOURCE__PATH"]) == said["paths"]
    assert env["CALI_STORE__DEAD_LETTERS"] == str(tmp_path / "replay-7" / "dlq")


def test_the_same_run_again_is_the_one_that_is_there(kubernetes, flink):
    assert kubernetes
    assert started()["created"] is True
    again = cali("start", "--run", "7", *HOURS)
    assert again.exit_code == 0
    assert json.loads(again.stdout)["created"] is False
    assert "is there already, and is the same" in again.stderr
    cali("wait", "--run", "7", "--timeout", "0.01")
    assert len(flink.started) == 1


def test_another_run_under_the_same_id_is_refused_with_what_differs(kubernetes, tmp_path):
    assert kubernetes
    started()
    (tmp_path / "archive/dt=2026-11-22/hour=09").mkdir()
    (tmp_path / "archive/dt=2026-11-22/hour=09/part-0.ndjson.gz").touch()
    other = cali("start", "--run", "7", *HOURS)
    assert other.exit_code == 1
    assert f"{NAME} is there and is another run" in other.stderr
    assert "CALI_SOURCE__PATH" in other.stderr


def test_hours_without_any_lines_start_nothing(kubernetes, flink):
    assert kubernetes
    ended = cali("start", "--run", "7", "--from", "2026-11-20", "--to", "2026-11-21")
    assert ended.exit_code == 1
    assert "has nothing of these hours" in ended.stderr
    assert flink.started == []


def test_a_run_is_waited_for_and_removed_and_both_may_be_repeated(kubernetes, flink):
    started()
    threading.Timer(0.3, setattr, (flink, "now", "FINISHED")).start()
    assert cali("wait", "--run", "7", "--timeout", "1").exit_code == 0
    assert cali("wait", "--run", "7", "--timeout", "0").exit_code == 0
    assert [cali("remove", "--run", "7").exit_code for _ in range(2)] == [0, 0]
    assert deployments(kubernetes) == []
    assert cali("wait", "--run", "7").exit_code == 1


def test_removing_a_run_that_goes_on_ends_its_job(kubernetes, flink):
    assert kubernetes
    started()
    cali("wait", "--run", "7", "--timeout", "0.01")
    assert cali("remove", "--run", "7").exit_code == 0
    assert flink.now == "CANCELED"


@pytest.mark.parametrize(
    ("state", "said"), [("FAILED", "IOException: cannot read"), ("CANCELED", "job CANCELED, SUSPENDED")]
)
def test_a_run_that_is_lost_is_no_longer_waited_for_and_the_reason_is_told(kubernetes, flink, state, said):
    assert kubernetes
    started()
    flink.now = state
    ended = cali("wait", "--run", "7", "--timeout", "1")
    assert ended.exit_code == 1
    assert said in ended.stderr
    assert "hunter2" not in ended.stderr


def test_a_job_that_does_not_even_start_is_lost(kubernetes, flink):
    assert kubernetes
    flink.refusal = "CALI_GATE__ANALYSES_PER_HOUR: '-1': Input should be greater than or equal to 0"
    started()
    ended = cali("wait", "--run", "7", "--timeout", "1")
    assert ended.exit_code == 1
    assert "CALI_GATE__ANALYSES_PER_HOUR" in ended.stderr


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_api_that_is_busy_is_asked_again_while_there_is_time(kubernetes, flink, code):
    started()
    flink.now = "FINISHED"
    kubernetes.fail(code, times=3)
    assert cali("wait", "--run", "7", "--timeout", "1").exit_code == 0
    kubernetes.fail(code, times=3)
    assert cali("remove", "--run", "7").exit_code == 0


def test_an_api_that_is_not_there_is_asked_again_while_there_is_time(kubernetes):
    kubernetes.stop()
    begun = time.monotonic()
    ended = cali("wait", "--run", "7", "--timeout", "0.01")
    assert ended.exit_code == 3
    assert "Kubernetes does not answer" in ended.stderr
    assert 0.5 < time.monotonic() - begun < 20


def test_a_start_that_gets_no_answer_may_be_tried_again(kubernetes):
    kubernetes.fail(503, times=1)
    ended = cali("start", "--run", "7", *HOURS)
    assert ended.exit_code == 3
    assert "Kubernetes says 503" in ended.stderr


def test_a_wrong_token_is_refused_and_not_repeated(kubernetes):
    kubeconfig = json.loads(kubernetes.kubeconfig.read_text())
    kubeconfig["users"][0]["user"]["token"] = "hunter2"
    kubernetes.kubeconfig.write_text(json.dumps(kubeconfig))
    ended = cali("wait", "--run", "7")
    assert ended.exit_code == 1
    assert "Kubernetes says 401: Unauthorized" in ended.stderr
    assert "hunter2" not in ended.output


def test_without_a_cluster_the_way_to_one_is_told(kubernetes, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(kubernetes.directory / "nothing"))
    ended = cali("wait", "--run", "7")
    assert ended.exit_code == 2
    assert "; in a pod mount the account's token, elsewhere set KUBECONFIG" in ended.stderr
    assert ".;" not in ended.stderr


@pytest.mark.parametrize(
    "content",
    [
        None,
        "a: [hunter2",
        "- hunter2",
        "hunter2",
        "current-context: a\ncontexts: hunter2",
        CERTIFICATE,
    ],
)
def test_a_kubeconfig_that_is_none_is_named_and_not_repeated(content, tmp_path, monkeypatch):
    path = tmp_path / "kubeconfig"
    path.mkdir() if content is None else path.write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(path))
    ended = cali("wait", "--run", "7", "--timeout", "0")
    assert ended.exit_code == 2, ended.output
    assert "set KUBECONFIG" in ended.stderr
    assert "hunter2" not in ended.stderr


@pytest.mark.parametrize("answer", ["<html>Sign in</html>", "[]", "{}", '{"kind": "FlinkDeployment"}'])
@pytest.mark.parametrize("verb", [("wait", "--timeout", "0"), ("remove", "--timeout", "0"), ("start", *HOURS)])
def test_what_answers_and_is_no_kubernetes_tells_nothing(answer, verb, kubernetes):
    """A proxy that wants a login, say."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer.encode())

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        kubeconfig = json.loads(kubernetes.kubeconfig.read_text())
        kubeconfig["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{server.server_port}"
        kubernetes.kubeconfig.write_text(json.dumps(kubeconfig))
        ended = cali(verb[0], "--run", "7", *verb[1:])
        server.shutdown()
    assert ended.exit_code == 3, ended.output
    assert "no FlinkDeployment" in ended.stderr


def test_a_file_that_goes_while_it_is_counted_leaves_the_result_open(kubernetes, monkeypatch):
    """The index backlog does, as long as `cali index catch-up` runs."""
    assert kubernetes

    def gone(*_):
        raise ObjectGoneError("logs/dt=2026-11-22/hour=09/part-0.ndjson.gz")

    monkeypatch.setattr(replay, "compare_hours", gone)
    ended = cali("compare", "--run", "7", *HOURS)
    assert ended.exit_code == 3, ended.output
    assert "hour=09/part-0.ndjson.gz is gone" in ended.stderr


@pytest.fixture
def opensearch(monkeypatch):
    """An OpenSearch without any index; the URL is that of the settings."""

    class Empty(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps({"timed_out": False, "_shards": {"total": 0, "failed": 0}, "hits": {"hits": []}}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("CALI_INDEX__URL", url)
        yield url
        server.shutdown()


def archive_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("CALI_STORE__RECEIPTS", str(tmp_path / "receipts"))
    line = {"id": "shard-0:1:0", "arrival_time": 1_795_341_600_000}
    path = tmp_path / "archive/dt=2026-11-22/hour=10/part-0.ndjson.gz"
    path.write_bytes(gzip.compress(json.dumps(line).encode() + b"\n"))


def test_a_run_that_never_was_is_no_difference_but_nothing(kubernetes, opensearch, tmp_path, monkeypatch):
    assert kubernetes
    assert opensearch
    archive_one_line(tmp_path, monkeypatch)
    ended = cali("compare", "--run", "7", *HOURS)
    assert ended.exit_code == 1, ended.output
    assert ended.stderr == "there is nothing of a run 7: no index, no dead letters, no backlog\n"
    assert ended.stdout == ""


def test_a_run_that_has_no_index_but_dead_letters_is_compared(kubernetes, opensearch, tmp_path, monkeypatch):
    assert kubernetes
    assert opensearch
    archive_one_line(tmp_path, monkeypatch)
    letters = tmp_path / "replay-7/dlq/dt=2026-11-22/hour=10"
    letters.mkdir(parents=True)
    (letters / "part-0.ndjson.gz").write_bytes(gzip.compress(b'{"id": "file:0"}\n'))
    ended = cali("compare", "--run", "7", *HOURS)
    assert ended.exit_code == 1, ended.output  # there is no receipt
    assert json.loads(ended.stdout.splitlines()[-1])["dead_letters"] == 1
    assert f"{NAME} differs from the archive in 2026-11-22T10:00Z" in ended.stderr


def test_an_opensearch_that_is_not_there_is_named(kubernetes, monkeypatch):
    assert kubernetes
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("CALI_INDEX__URL", url)
    ended = cali("compare", "--run", "7", *HOURS)
    assert ended.exit_code == 3, ended.output
    assert ended.stderr == f"OpenSearch at {url}: ConnectionError\n"


def test_a_manifest_that_is_not_there_is_named_with_what_makes_one(kubernetes, monkeypatch):
    assert kubernetes
    monkeypatch.setenv("CALI_REPLAY__MANIFEST", "nowhere.yaml")
    ended = cali("start", "--run", "7", *HOURS)
    assert ended.exit_code == 2, ended.output
    assert "nowhere.yaml: cannot be read: No such file or directory; CALI_REPLAY__MANIFEST names" in ended.stderr
    assert "kubectl kustomize flink-k8s/replay/ENV" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("start", "--run", "A B", *HOURS), "'A B': not 1 to 26"),
        (("start", "--run", "7", "--from", "2026-11-22T09:30Z", "--to", "2026-11-23"), "not the start of an hour"),
        (("compare", "--run", "7", "--from", "2026-11-22", "--to", "2026-11-22"), "not after"),
    ],
)
def test_a_wrong_option_is_named(arguments, said, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    ended = cali(*arguments)
    assert ended.exit_code == 2
    assert said in ended.stderr


# --- The stand-in refuses what Kubernetes would refuse


def deployments(kubernetes):
    api = api_of(kubernetes)
    return api.list_namespaced_custom_object("flink.apache.org", "v1beta1", "cali", "flinkdeployments")["items"]


def api_of(kubernetes):
    settings = client.Configuration()
    config.load_kube_config(str(kubernetes.kubeconfig), client_configuration=settings)
    return client.CustomObjectsApi(client.ApiClient(settings))


@pytest.mark.parametrize(
    ("place", "value", "status"),
    [
        (("metadata", "name"), "Log_Insight", 422),
        (("spec", "job"), None, 422),
        (("kind",), "Deployment", 400),
    ],
)
def test_what_is_no_flink_deployment_is_refused(kubernetes, place, value, status):
    body = {
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": {"name": "x"},
        "spec": {"image": "cali", "flinkVersion": "v2_3", "podTemplate": {}, "job": {"args": []}},
    }
    inner = body[place[0]] if len(place) > 1 else body
    if value is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    with pytest.raises(ApiException) as refused:
        api_of(kubernetes).create_namespaced_custom_object(*RESOURCE.split("/")[2:4], "cali", "flinkdeployments", body)
    assert refused.value.status == status


def test_people_see_a_table(monkeypatch, capsys):
    rows = [Row("2026-11-22T09:00Z", 12_000, 12_000, 11_999, 0, 1, overlap=False)]
    monkeypatch.setattr(replay.sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    replay._show(rows, as_json=False)
    shown = capsys.readouterr().out
    assert "dead letters" in shown
    assert [line.count("12,000") for line in shown.splitlines() if "12,000" in line] == [2, 2]
