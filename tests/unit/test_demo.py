"""The report of `make demo` has the form that its readers were promised."""

import json
from pathlib import Path

from local.audit import Findings
from local.demo import Account, report, write_report
from local.generator.manifest import Manifest

FINDINGS = Findings(
    sent=10,
    archived=8,
    indexed=8,
    dead_letters=2,
    lost=0,
    duplicated=0,
    incidents=3,
    alerts=4,
    duplicate_alerts=1,
    failures={},
    first_alert_seconds=[6.0, 7.0, 8.0],
)


def test_the_report_has_every_figure_under_its_name(tmp_path: Path) -> None:
    account = Account(Manifest(seed=0, shape="story"), FINDINGS, 12.34)

    write_report(account, tmp_path / "build" / "demo-report.json")

    assert json.loads((tmp_path / "build" / "demo-report.json").read_text()) == report(account)
    assert report(account) == {
        "records": {"sent": 10, "archived": 8, "indexed": 8, "dead_letters": 2, "lost": 0, "duplicated": 0},
        "incidents": 3,
        "alerts": {"posted": 4, "duplicates": 1},
        "latency_seconds": {"first_alert_p50": 7.0, "first_alert_p95": 8.0},
        "throughput_records_per_second": 12.3,
    }


def test_an_account_is_sound_only_when_nothing_is_missing_or_twice() -> None:
    sound = FINDINGS._replace(duplicate_alerts=0)

    assert sound.sound
    assert not FINDINGS.sound
    assert not any(sound._replace(**{name: 1}).sound for name in ("lost", "duplicated", "indexed"))
    assert not sound._replace(failures={"db-timeout": []}).sound
