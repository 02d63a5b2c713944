"""The embedded stack: it comes up whole, says what is wrong, and leaves nothing behind."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from openai import InternalServerError, OpenAI
from pymilvus import MilvusClient

from local.flink import FlinkError
from local.opensearch import OpenSearch
from local.ports import free_port, is_free
from local.process import PartError
from local.prometheus import Prometheus
from local.stack import PARTS, Stack, StackError, lock_owner
from local.supervisor import down, read_state, up

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
MARK = "CALI_TEST_MARK"
# A shell that starts the tests in the background has them ignore SIGINT, which children inherit.
OWNER = """\
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from local.stack import Stack
with Stack(Path(sys.argv[1])) as stack:
    print("entered", flush=True)
    stack.start(sys.argv[2].split(","))
    print("ready", flush=True)
    ENDING
"""
ENDINGS = {
    "success": "pass",
    "exception": "raise RuntimeError('the owner fails')",
    "hard exit": "import os; os._exit(3)",
    "signal": "import time; time.sleep(600)",
}


def await_condition(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


class Owner:
    """A process of its own that uses a stack; every process that descends from it carries its mark."""

    def __init__(self, directory: Path, parts: str, ending: str) -> None:
        self.mark = uuid.uuid4().hex
        self.directory = directory
        self.process = subprocess.Popen(  # noqa: S603 - the program under test
            [sys.executable, "-c", OWNER.replace("ENDING", ENDINGS[ending]), str(directory), parts],
            cwd=ROOT,
            env=os.environ | {MARK: self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def await_line(self, line: str) -> None:
        assert self.process.stdout
        assert line in iter(self.process.stdout.readline, ""), f"the owner ended: {self.process.stderr.read()}"  # type: ignore[union-attr]

    def end(self) -> int:
        self.process.communicate(timeout=60)
        return self.process.returncode

    def descendants(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != self.process.pid and process.environ().get(MARK) == self.mark:
                    found.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
        return found

    def assert_nothing_is_left(self) -> None:
        await_condition(lambda: not self.descendants(), 30, f"all processes of the stack end: {self.descendants()}")


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Callable[[str, str], Owner]]:
    made: list[Owner] = []

    def make(parts: str, ending: str) -> Owner:
        made.append(Owner(tmp_path / "stack", parts, ending))
        return made[-1]

    yield make
    for each in made:
        each.process.kill()
        each.process.communicate()
        each.assert_nothing_is_left()


@pytest.mark.parametrize(("ending", "code"), [("success", 0), ("exception", 1), ("hard exit", 3)])
def test_nothing_outlives_an_owner_that_ends(owner: Callable[[str, str], Owner], ending: str, code: int) -> None:
    process = owner("moto,inbox", ending)
    process.await_line("ready\n")
    assert process.end() == code
    process.assert_nothing_is_left()


@pytest.mark.parametrize(
    ("number", "parts", "processes"),
    [
        (signal.SIGINT, ["moto", "inbox"], 4),  # a guard and a command for each part
        (signal.SIGTERM, ["moto", "inbox"], 4),
        (signal.SIGKILL, PARTS, 12),  # Flink has two
    ],
)
def test_nothing_outlives_an_owner_that_is_killed(
    owner: Callable[[str, str], Owner], number: signal.Signals, parts: list[str], processes: int
) -> None:
    process = owner(",".join(parts), "signal")
    process.await_line("ready\n")
    assert len(process.descendants()) == processes
    process.process.send_signal(number)
    assert process.end() != 0
    process.assert_nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_an_owner_that_is_killed_while_it_starts(
    owner: Callable[[str, str], Owner], number: signal.Signals
) -> None:
    process = owner(",".join(PARTS), "signal")
    process.await_line("entered\n")
    await_condition(lambda: len(process.descendants()) > 6, 30, "parts are being started")
    process.process.send_signal(number)
    assert process.end() != 0
    process.assert_nothing_is_left()


def test_one_folder_holds_one_stack_and_the_next_begins_empty(tmp_path: Path) -> None:
    with Stack(tmp_path) as first:
        first.start(["inbox"])
        requests.post(first.inbox.webhook_url("alerts"), json={"text": "x"}, timeout=5).raise_for_status()
        assert lock_owner(tmp_path) == os.getpid()
        with pytest.raises(StackError, match="another stack runs in"):
            Stack(tmp_path).__enter__()
        assert len(first.inbox.messages()) == 1
    assert lock_owner(tmp_path) is None
    with Stack(tmp_path) as second:
        assert second.inbox.messages() == []


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with Stack(tmp_path / "first") as first:
        port = first.inbox.port
        with (
            Stack(tmp_path / "second", ports={"inbox": port}) as second,
            pytest.raises(PartError, match=f"inbox: port {port} of 127.0.0.1 is taken"),
        ):
            second.start(["inbox"])


def test_impossible_ports_are_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="9201-9299, not 9200"):
        Stack(tmp_path, ports={"opensearch": 9200})
    with pytest.raises(ValueError, match="no part of the stack is called kafka"):
        Stack(tmp_path, ports={"kafka": 9092})


def test_a_part_that_does_not_start_shows_the_end_of_its_log_and_the_others_are_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenSearch, "command", lambda _: ["sh", "-c", "echo no heap for you; exit 3"])
    with Stack(tmp_path) as stack:
        inbox = stack.inbox
        with pytest.raises(PartError, match=r"(?s)opensearch ended with exit code 3.*no heap for you"):
            stack.start(["inbox", "opensearch"])
        assert not inbox.is_running
        assert is_free(inbox.port)


def test_what_listens_is_reached_from_this_machine_only(tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    with Stack(tmp_path, watched=False) as stack:
        stack.start()
        ours = set(psutil.Process().children(recursive=True)) - before
        connections = [each.net_connections("inet") for each in ours]
    listening = [each for of_process in connections for each in of_process if each.status == psutil.CONN_LISTEN]
    assert len(listening) >= 8
    assert {each.laddr[0] for each in listening} <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}


def test_the_stack_has_the_stream_and_the_buckets_of_the_job(stack: Stack) -> None:
    shards = stack.moto.client("kinesis").list_shards(StreamName="cali-logs")["Shards"]
    buckets = stack.moto.client("s3").list_buckets()["Buckets"]
    assert len(shards) == 2
    assert {each["Name"] for each in buckets} >= {"cali-archive", "cali-dlq", "cali-checkpoints"}


def test_a_part_that_was_stopped_comes_back_with_its_data(stack: Stack) -> None:
    document = f"{stack.opensearch.url}/kept-{uuid.uuid4().hex}/_doc/1?refresh=true"
    requests.put(document, json={"a": 1}, timeout=30).raise_for_status()
    stack.opensearch.stop()
    assert is_free(stack.opensearch.port)
    stack.opensearch.start()
    assert requests.get(document, timeout=30).json()["_source"] == {"a": 1}


def test_a_paused_part_accepts_connections_and_answers_only_when_resumed(stack: Stack) -> None:
    stack.milvus.pause()
    try:
        with pytest.raises(Exception, match=r"(?i)deadline|timeout|connect"):
            MilvusClient(stack.milvus.uri, timeout=1).has_collection("x")
    finally:
        stack.milvus.resume()
    assert MilvusClient(stack.milvus.uri, timeout=20).has_collection("x") is False


def test_a_job_that_flink_refuses_is_an_error_with_the_clients_words(stack: Stack) -> None:
    with pytest.raises(FlinkError, match="No module named"):
        stack.flink.submit(module="jobs.no_such_job")


def test_a_taskmanager_that_is_killed_is_replaced(stack: Stack) -> None:
    (before,) = stack.flink.task_managers
    stack.flink.kill_task_manager()
    assert stack.flink.task_managers == []
    stack.flink.start_task_manager()
    (after,) = stack.flink.task_managers
    assert after != before


def test_prometheus_scrapes_the_taskmanager_that_replaces_another(
    stack: Stack, require_tool: Callable[[str], str]
) -> None:
    require_tool("prometheus")
    stack.flink.kill_task_manager()
    stack.flink.start_task_manager()
    scraped = {"jobmanager": True, stack.flink.task_managers[0]: True}
    await_condition(lambda: stack.prometheus.targets_up() == scraped, 30, f"{scraped} are scraped")


def test_the_inbox_takes_what_slack_takes_and_keeps_the_order(stack: Stack) -> None:
    stack.inbox.clear()
    url = stack.inbox.webhook_url("payments")
    posts: list[dict[str, Any]] = [
        {"json": {"text": "first"}},
        {"data": {"payload": json.dumps({"text": "second <!here>"})}},
        {"json": {"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "third"}}]}},
    ]
    answers = [requests.post(url, timeout=5, **post) for post in posts]
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "ok")] * 3
    messages = stack.inbox.messages()
    assert [message["channel"] for message in messages] == ["payments"] * 3
    assert [message["payload"].get("text") for message in messages] == ["first", "second <!here>", None]
    assert messages[1]["mentions"] == [{"target": "!here", "label": "@here"}]
    assert sorted(message["received_at_ms"] for message in messages) == [each["received_at_ms"] for each in messages]
    page = requests.get(f"{stack.inbox.url}/?channel=payments", timeout=5)
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert '<span class="mention" title="!here">@here</span>' in page.text


def test_the_inbox_refuses_as_slack_does_and_keeps_nothing(stack: Stack) -> None:
    stack.inbox.clear()
    url = stack.inbox.webhook_url("alerts")
    too_many = {"text": "x", "blocks": [{"type": "divider"}] * 51}
    refused = [
        requests.post(url, data="{", timeout=5),
        requests.post(url, json={"text": ""}, timeout=5),
        requests.post(url, json=too_many, timeout=5),
        requests.post(url[:-1] + "-", json={"text": "x"}, timeout=5),
        requests.post(f"{stack.inbox.url}/services/T1/B", json={"text": "x"}, timeout=5),
        requests.post(url, data=b"x" * 1_048_577, timeout=5),
    ]
    assert [(answer.status_code, answer.text) for answer in refused] == [
        (400, "invalid_payload"),
        (400, "no_text"),
        (400, "invalid_blocks"),
        (403, "invalid_token"),
        (404, "no_team"),
        (413, "invalid_payload"),
    ]
    assert stack.inbox.messages() == []
    assert "more than 50 blocks" in stack.inbox.attempts()[2]["answer"]


def test_the_inbox_takes_no_orders_from_a_page_of_another_site(stack: Stack) -> None:
    stack.inbox.clear()
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        answer = requests.post(f"{stack.inbox.url}/api/faults", json={"status": 500}, headers=headers, timeout=5)
        assert answer.status_code == 403
    assert requests.get(f"{stack.inbox.url}/api/faults", timeout=5).json() == {"faults": []}


def test_the_inbox_fails_as_told_and_is_well_afterwards(stack: Stack) -> None:
    stack.inbox.clear()
    url = stack.inbox.webhook_url("alerts")
    stack.inbox.fail(status=429, retry_after=7, count=1)
    stack.inbox.fail(status=500, count=1)
    stack.inbox.fail(reset=True, keep=True, count=1)
    limited, broken = (requests.post(url, json={"text": "lost"}, timeout=5) for _ in range(2))
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
    assert broken.status_code == 500
    with pytest.raises(requests.ConnectionError):
        requests.post(url, json={"text": "taken, but who knows"}, timeout=5)
    assert requests.post(url, json={"text": "well"}, timeout=5).text == "ok"
    assert [each["payload"]["text"] for each in stack.inbox.messages()] == ["taken, but who knows", "well"]
    assert [each["status"] for each in stack.inbox.attempts()] == [429, 500, None, 200]


def test_a_slow_inbox_has_the_message_before_it_answers(stack: Stack) -> None:
    stack.inbox.clear()
    stack.inbox.fail(delay_seconds=60, count=1)
    with pytest.raises(requests.ReadTimeout):
        requests.post(stack.inbox.webhook_url("alerts"), json={"text": "slow"}, timeout=0.5)
    assert [each["payload"]["text"] for each in stack.inbox.messages()] == ["slow"]


def test_an_unknown_fault_is_refused(stack: Stack) -> None:
    answer = requests.post(f"{stack.inbox.url}/api/faults", json={"statsu": 500}, timeout=5)
    assert answer.status_code == 400
    assert "statsu" in answer.text


def test_the_llm_stub_answers_fails_hangs_and_counts(stack: Stack) -> None:
    client = OpenAI(base_url=stack.llm.base_url, api_key="made-up", max_retries=0, timeout=20)
    ask: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "why?"}]}
    stack.llm.clear()
    stack.llm.answer({"cause": "pool"})
    assert json.loads(client.chat.completions.create(**ask).choices[0].message.content or "") == {"cause": "pool"}
    stack.llm.answer("overloaded", status=500)
    with pytest.raises(InternalServerError, match="overloaded"):
        client.chat.completions.create(**ask)
    stack.llm.hang()
    thread = threading.Thread(target=lambda: client.chat.completions.create(**ask))
    thread.start()
    await_condition(lambda: len(stack.llm.requests) == 3, 20, "the third call arrives")
    assert thread.is_alive()
    stack.llm.answer({"cause": "late"})
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert {each["model"] for each in stack.llm.requests} == {"gpt-4o"}


def test_the_stack_in_the_background_comes_up_once_heals_and_goes_down(tmp_path: Path) -> None:
    port = free_port()
    said: list[str] = []
    try:
        first = up(tmp_path, {"flink": port}, said.append)
        again = up(tmp_path, {}, said.append)
        assert again == first
        assert said == ["starting Kinesis, S3, OpenSearch, Milvus, the Slack inbox, Flink and the job …"]
        assert first.addresses["Flink UI"] == f"http://127.0.0.1:{port}"
        assert requests.get(f"http://127.0.0.1:{port}/jobs/{first.job_id}", timeout=10).json()["state"] == "RUNNING"
        assert requests.get(first.addresses["Slack inbox"], timeout=10).ok
        assert ("Prometheus" in first.addresses) is Prometheus.is_installed()
        environment = (tmp_path / "environment").read_text()
        assert re.search(r"(?m)^export CALI_AWS__ENDPOINT=http://127\.0\.0\.1:\d+$", environment)
        family = psutil.Process(first.pid).children(recursive=True)
        assert any("pyflink.fn_execution.beam.beam_boot" in each.cmdline() for each in family)
        kill(family, "local.inbox")
        await_condition(lambda: answers(first.addresses["Slack inbox"]), 30, "the inbox is started again")
    finally:
        assert down(tmp_path)
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert read_state(tmp_path) is None
    assert not down(tmp_path)


def test_a_background_process_that_is_killed_leaves_nothing_but_a_stale_state(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as pool:
        coming = pool.submit(up, tmp_path, {}, lambda _: None)
        await_condition(lambda: len(family_of(tmp_path)) > 8, 60, "parts are being started")
        family = family_of(tmp_path)
        family[0].kill()
        with pytest.raises(StackError, match="did not start"):
            coming.result()
    assert psutil.wait_procs(family, timeout=30)[1] == []
    assert read_state(tmp_path) is not None
    assert not down(tmp_path)
    assert read_state(tmp_path) is None


def test_a_stack_that_another_program_runs_is_not_taken_down(tmp_path: Path) -> None:
    with Stack(tmp_path), pytest.raises(StackError, match=f"not started by `cali up` but by process {os.getpid()}"):
        down(tmp_path)


def family_of(directory: Path) -> list[psutil.Process]:
    """The background process of the folder and all its descendants."""
    pid = lock_owner(directory)
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)] if pid else []


def kill(family: list[psutil.Process], module: str) -> None:
    (victim,) = [each for each in family if each.cmdline()[1:3] == ["-m", module]]
    victim.kill()
    psutil.wait_procs([victim], timeout=10)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False
