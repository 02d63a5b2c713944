"""The whole job on a story: every record is in one place, every failure is told of once, no secret is anywhere."""

import gzip
from collections import Counter

import pytest

from jobs.commands.objects import folder
from local.audit import Findings, audit
from local.generator.failures import FAILURES
from local.generator.manifest import Manifest
from local.run import Run

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def run(told) -> Run:
    return told.run


@pytest.fixture(scope="module")
def manifest(told) -> Manifest:
    return told.manifest


@pytest.fixture(scope="module")
def findings(told) -> Findings:
    return audit(told.manifest, told.run.stores, told.messages, FAILURES)


def test_every_record_is_archived_or_dead_and_indexed_once(findings, manifest):
    assert (findings.lost, findings.duplicated) == (0, 0)
    assert (findings.archived, findings.dead_letters) == (manifest.lines, manifest.dead_letters)
    assert findings.indexed == findings.archived


def test_every_failure_is_told_of_exactly_once(findings, manifest):
    assert {name: len(alerts) for name, alerts in findings.failures.items()} == {
        failure.name: 1 for failure in manifest.failures
    }
    assert findings.duplicate_alerts == 0


def test_receipts_account_for_every_line(run, manifest):
    totals: Counter[str] = Counter()
    for receipt in run.stores.receipts():
        totals.update(archived=receipt["archived"], dead=receipt["dead"])
    assert totals == {"archived": manifest.lines, "dead": manifest.dead_letters}


def test_an_hour_is_marked_when_it_is_over_and_not_because_the_job_ends(run):
    """A story has receipts of one hour, or of two when it crosses a border."""
    receipts = list(run.stores.receipts())
    latest = max(receipt["hour"] for receipt in receipts)
    marked = {marker["hour"]: marker for marker in run.stores.markers()}
    assert latest not in marked
    for hour in {receipt["hour"] for receipt in receipts} & set(marked):
        assert marked[hour]["archived"] == sum(each["archived"] for each in receipts if each["hour"] == hour)


def test_no_secret_leaves_but_for_the_dead_letters(run, manifest, told):
    archive = folder(run.settings.store.archive, run.settings.aws)
    seen = []
    for name in archive.names(""):
        with archive.open(name) as stream:
            seen.append(gzip.decompress(stream.read()).decode())
    seen.append(str(told.messages))
    assert [secret for secret in manifest.secrets for text in seen if secret in text] == []


def test_log_text_mentions_nobody_and_links_nowhere(told):
    messages = told.messages
    assert messages
    assert [mention for message in messages for mention in message["mentions"]] == []
    links = {link["url"] for message in messages for link in message["links"]}
    assert {link for link in links if not link.startswith(KNOWN_LINKS)} == set()


#: Where the documents of `knowledge/` point.
KNOWN_LINKS = ("https://runbooks.example.com/", "https://incidents.example.com/")
