"""The ingest stage as the job has it behind Kinesis, with the settings that it has by default."""

import time

from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import IngestSettings, SourceSettings
from udfs.fingerprint import load_fingerprint_rules
from udfs.ingest import Ingest
from udfs.meters import Meters
from udfs.redact import Redactor, load_redact_rules


def kinesis_stage() -> Ingest:
    """Return the stage, with memories of its own."""
    return Ingest(
        SourceSettings(),
        IngestSettings(),
        Redactor(load_redact_rules()),
        load_fingerprint_rules(),
        meters=Meters(OperatorId.INGEST),
        clock=time.time,
    )
