"""The operators of `ingest_flink.py`: in a module of their own, for what is in `__main__` cannot travel to workers."""

import base64
from collections.abc import Iterator
from typing import Any

from pyflink.common import Row
from pyflink.datastream import KeyedProcessFunction, ProcessFunction, RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor

from benchmarks.ingest_work import Meter, records_in
from jobs.log_insight.settings import IngestSettings
from schemas.dead_letter import DeadLetter
from schemas.error_group import ErrorGroup
from schemas.log_entry import ERROR_PATH
from udfs.combine import Combiner, merge_groups
from udfs.errors import BadInputError
from udfs.fingerprint import fingerprint, load_fingerprint_rules
from udfs.ingest import to_line
from udfs.operators.ingest import ARCHIVE, DEAD_LETTERS, IngestFunction
from udfs.operators.type_info import BYTES
from udfs.parse import read_entry
from udfs.redact import Redactor, load_redact_rules
from udfs.validate import Validator
from udfs.worker import settle_garbage

#: How often the per-record function looks at the clock, records.
_STAMP_EVERY = 256


class MeteredIngest(IngestFunction):
    """The job's own operator, with a meter around it."""

    def open(self, runtime_context: RuntimeContext) -> None:
        """Open the operator."""
        super().open(runtime_context)
        self._meter = Meter()

    def process_element(self, value: bytes, ctx: ProcessFunction.Context) -> Iterator[Any]:
        """Process one frame."""
        self._meter.start()
        yield from super().process_element(value, ctx)
        self._meter.add(records_in(value))

    def close(self) -> None:
        """Leave the meter's figures."""
        self._meter.write()


class RecordIngest(ProcessFunction):  # type: ignore[misc]  # PyFlink is untyped
    """The same work as it would be written without batches: one record an element, the same functions."""

    def __init__(self, settings: IngestSettings, arrival_ms: int) -> None:
        self._settings = settings
        self._arrival_ms = arrival_ms

    def open(self, runtime_context: RuntimeContext) -> None:
        """Compile the rules."""
        del runtime_context
        self._rules = load_fingerprint_rules()
        self._redactor = Redactor(load_redact_rules())
        self._validator = Validator(self._settings, self._redactor, self._rules.version)
        settle_garbage()
        self._meter = Meter()
        self._count = 0

    def process_element(self, value: str, ctx: ProcessFunction.Context) -> Iterator[Any]:
        """Process one line."""
        del ctx
        self._meter.start()
        self._count += 1
        if self._count % _STAMP_EVERY == 0:
            self._meter.add(_STAMP_EVERY)
        record_id = f"file:{self._count}:0"
        try:
            entry = read_entry(value.encode(), self._settings.max_line_bytes)
        except BadInputError as error:
            yield DEAD_LETTERS, self._dead_letter(record_id, value, error)
            return
        document = self._validator.document(record_id, self._arrival_ms, entry)
        document["body"] = self._redactor.redact(document["body"])
        if "attributes" in document:
            document["attributes"] = self._redactor.redact_value(document["attributes"])
        if document["severity_text"] in ERROR_PATH:
            yield self._group(document)
        yield ARCHIVE, to_line(document)

    def close(self) -> None:
        """Leave the meter's figures."""
        self._meter.write()

    def _dead_letter(self, record_id: str, line: str, error: BadInputError) -> bytes:
        raw = line.encode()
        return DeadLetter(
            id=record_id,
            arrival_time=self._arrival_ms,
            stage=error.stage,
            error_type=error.error_type,
            reason=error.reason,
            raw=base64.b64encode(raw).decode(),
            size=len(raw),
        ).to_bytes()

    def _group(self, document: dict[str, Any]) -> Row:
        found = fingerprint(document["body"], document["service.name"], self._rules)
        document["fingerprint"] = found.value
        document["template"] = found.template
        combiner = Combiner()
        combiner.add(document, found)
        (second,) = combiner.seconds()
        return Row(key=found.value, body=second.groups[0].to_bytes())


class CombineByKey(KeyedProcessFunction):  # type: ignore[misc]  # PyFlink is untyped
    """Adds up the groups of one fingerprint and second; emits them when the second is over."""

    def open(self, runtime_context: RuntimeContext) -> None:
        """Make the state."""
        self._group = runtime_context.get_state(ValueStateDescriptor("group", BYTES))

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Any]:
        """Add one group."""
        group = ErrorGroup.model_validate_json(value.body)
        before = self._group.value()
        if before is None:
            ctx.timer_service().register_event_time_timer((group.second + 1) * 1000)
        else:
            group = merge_groups(ErrorGroup.model_validate_json(before), group)
        self._group.update(group.to_bytes())
        return iter(())

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Row]:
        """Emit the sum."""
        del timestamp
        yield Row(key=ctx.get_current_key(), body=self._group.value())
        self._group.clear()
