"""The pages of an hour with faults, as a browser shows them."""

import gzip
import subprocess
import time
from pathlib import Path

import pytest

from jobs.commands.objects import LocalFolder
from local.archived_hour import write_hour
from quality.check import Limits, Stores, check_hour, read_marker
from quality.pages import page_of, write_pages
from udfs.chunk import hour_folder
from udfs.redact import Redactor, load_redact_rules

pytestmark = pytest.mark.nightly

HOUR = 1_795_345_200_000  # 2026-11-22T11:00:00Z


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of an hour with a line that attacks whoever looks at it."""
    root = tmp_path_factory.mktemp("hour")
    write_hour(root, HOUR, 500)
    stores = Stores(*(LocalFolder(root / name) for name in ("logs", "dlq", "receipts", "markers", "quality")))
    path = next((root / "logs" / hour_folder(HOUR)).iterdir())
    attack = b'"severity_text":"<script>document.title=1</script><img src=http://127.0.0.1:9/>"'
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b'"severity_text":"INFO"', attack, 1)))
    marker = read_marker(stores, HOUR)
    assert marker is not None
    checked = check_hour(
        stores, marker, Limits(300_000, 7, 5.0), Redactor(load_redact_rules()), time.time_ns() // 10**6
    )
    write_pages(stores.reports, checked, [])
    return root / "quality"


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("index.html", "2026-11-22"),
        ("dt=2026-11-22/index.html", "severities_are_known"),
        (page_of(HOUR), "Each severity is one of OpenTelemetry"),
        (f"{hour_folder(HOUR)}/archive.html", "Evaluated Expectations"),
        (f"{hour_folder(HOUR)}/dead-letters.html", "Evaluated Expectations"),
    ],
)
def test_a_browser_shows_the_page_runs_nothing_and_fetches_nothing(require_tool, reports, tmp_path, page, shown):
    browser = [require_tool("chromium"), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    address = (reports / page).as_uri()
    dumped = subprocess.run(  # noqa: S603 - our own pages
        [*browser, "--enable-logging=stderr", "--dump-dom", address],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert shown in dumped.stdout
    assert "<title>1</title>" not in dumped.stdout
    assert "<script" not in dumped.stdout
    assert "CONSOLE" not in dumped.stderr
