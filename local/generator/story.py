"""What happens when: ordinary lines all along, failures that begin at their moment, broken records in between.

A story is a function of its options: the same options give the same bytes.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from local.generator.company import Company
from local.generator.failures import FAILURES, FailureKind, Role
from local.generator.hostile import HOSTILE, Hostile, secret_lines
from local.generator.manifest import Manifest
from local.generator.records import Line, Packer, Record
from local.generator.services import SERVICES, Service
from schemas.log_entry import Severity

TICK_MS = 100
#: A failure's `lines` and `seconds` are those of a story of so many lines and seconds.
USUAL_LINES = 50_000
USUAL_SECONDS = 60.0
_STAMPS_PER_TICK = 10
_ONSET_FROM, _ONSET_TO = 0.10, 0.70
_ERROR_SHARE, _TRACE_SHARE = 0.1, 0.2
_FEWEST_LINES = 3


class Shape(StrEnum):
    """Kinds of stories. All but `STORY` are for load tests and hold nothing broken.

    `MIXED` is 90 % ordinary lines and 10 % errors, a fifth of them stack traces.
    """

    STORY = "story"
    MIXED = "mixed"
    EQUAL_ERRORS = "equal-errors"
    DIFFERENT_ERRORS = "different-errors"


class Options(NamedTuple):
    """What is told. `start_ms` (epoch milliseconds) and `seconds` are the time that the lines speak of.

    `lines` counts log lines; `hostile_copies` of each hostile record come on top. With `text_only` every record is one
    line of text, as in a file.
    """

    seed: int
    lines: int
    seconds: float
    start_ms: int
    shape: Shape = Shape.STORY
    services: tuple[Service, ...] = SERVICES
    failures: tuple[FailureKind, ...] = FAILURES
    hostile_copies: int = 2
    lines_per_record: int = 10
    text_only: bool = False


class Slice(NamedTuple):
    """The records of one tick, `offset_seconds` after the start."""

    offset_seconds: float
    records: list[Record]


class _Act(NamedTuple):
    """Somebody who writes `lines` lines over `ticks` ticks from `first` on: evenly, and one in the first tick."""

    write: Callable[[str], Line]
    lines: int
    first: int
    ticks: int
    kind: FailureKind | None = None

    def due(self, tick: int) -> int:
        place = tick - self.first
        if not 0 <= place < self.ticks:
            return 0
        return math.ceil(self.lines * (place + 1) / self.ticks) - math.ceil(self.lines * place / self.ticks)


class Story:
    """One story, to be told once."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._rng = random.Random(options.seed)  # noqa: S311 - made-up logs
        self._company = Company(self._rng, options.services)
        self._ticks = max(1, math.ceil(options.seconds * 1000 / TICK_MS))
        is_story = options.shape is Shape.STORY
        self._secrets = secret_lines(self._rng) if is_story else []
        self._acts = _CASTS[options.shape](self)
        self._hostile = self._place_hostile() if is_story else {}

    def manifest(self) -> Manifest:
        """Return the ledger of this story, with nothing sent yet."""
        kinds = tuple(act.kind for act in self._acts if act.kind is not None)
        manifest = Manifest.of(self._options.seed, self._options.shape, kinds)
        placed = (hostile.name for hostiles in self._hostile.values() for hostile in hostiles)
        manifest.hostile_records = dict(sorted(Counter(placed).items()))
        manifest.secrets = [line.secret for line in self._secrets]
        return manifest

    def slices(self) -> Iterator[Slice]:
        """Yield the story in the order of its time."""
        packer = Packer(self._rng, self._options.lines_per_record)
        for tick in range(self._ticks):
            stamps = _stamps(self._options.start_ms + tick * TICK_MS)
            lines = self._lines(tick, stamps)
            records = [_alone(line) for line in lines] if self._options.text_only else list(packer.pack(lines))
            records += [hostile.make(self._company.ordinary(stamps[0]).text) for hostile in self._hostile.get(tick, ())]
            yield Slice(tick * TICK_MS / 1000, records)

    def _lines(self, tick: int, stamps: list[str]) -> list[Line]:
        writers = [act.write for act in self._acts for _ in range(act.due(tick))]
        self._rng.shuffle(writers)
        return [write(stamps[place * _STAMPS_PER_TICK // len(writers)]) for place, write in enumerate(writers)]

    def _story_cast(self) -> list[_Act]:
        onsets = self._onsets()
        scale = self._options.lines / USUAL_LINES
        acts = [
            self._failing(kind, max(_FEWEST_LINES, round(kind.lines * scale)), onsets[kind.name])
            for kind in self._options.failures
        ]
        acts += [
            _Act(partial(self._company.say, content=line.content), 1, self._rng.randrange(self._ticks), 1)
            for line in self._secrets
        ]
        return [*acts, self._ordinary(self._options.lines - sum(act.lines for act in acts))]

    def _mixed_cast(self) -> list[_Act]:
        kinds = [kind for kind in self._options.failures if kind.severity in {Severity.ERROR, Severity.FATAL}]
        errors = round(self._options.lines * _ERROR_SHARE)
        traces = round(errors * _TRACE_SHARE)
        acts = []
        for some, total in (
            ([kind for kind in kinds if kind.is_trace], traces),
            ([kind for kind in kinds if not kind.is_trace], errors - traces),
        ):
            shares = [total * (place + 1) // len(some) - total * place // len(some) for place in range(len(some))]
            acts += [
                self._all_along(partial(self._company.fail, kind), lines, kind)
                for kind, lines in zip(some, shares, strict=True)
            ]
        return [*acts, self._ordinary(self._options.lines - errors)]

    def _equal_errors_cast(self) -> list[_Act]:
        kind = next(kind for kind in self._options.failures if not (kind.raw or kind.is_trace))
        return [self._all_along(partial(self._company.fail, kind), self._options.lines, kind)]

    def _different_errors_cast(self) -> list[_Act]:
        return [self._all_along(self._company.fail_differently, self._options.lines)]

    def _ordinary(self, lines: int) -> _Act:
        return self._all_along(self._company.ordinary, max(0, lines))

    def _all_along(self, write: Callable[[str], Line], lines: int, kind: FailureKind | None = None) -> _Act:
        return _Act(write, lines, 0, self._ticks, kind)

    def _failing(self, kind: FailureKind, lines: int, onset: int) -> _Act:
        ticks = math.ceil(kind.seconds / USUAL_SECONDS * self._ticks)
        return _Act(partial(self._company.fail, kind), lines, onset, max(1, min(ticks, self._ticks - onset)), kind)

    def _onsets(self) -> dict[str, int]:
        """Spread the beginnings: a channel takes one message a second, and each alert is to be judged by itself."""
        injected = [kind for kind in self._options.failures if kind.role is not Role.BACKGROUND]
        background = [kind for kind in self._options.failures if kind.role is Role.BACKGROUND]
        self._rng.shuffle(injected)
        span = _ONSET_TO - _ONSET_FROM
        onsets = {
            kind.name: int(self._ticks * (_ONSET_FROM + span * place / len(injected)))
            for place, kind in enumerate(injected)
        }
        before = int(self._ticks * _ONSET_FROM)
        return onsets | {kind.name: before * place // len(background) for place, kind in enumerate(background)}

    def _place_hostile(self) -> dict[int, list[Hostile]]:
        placed: dict[int, list[Hostile]] = {}
        for hostile in HOSTILE:
            if hostile.is_text or not self._options.text_only:
                for _ in range(self._options.hostile_copies):
                    placed.setdefault(self._rng.randrange(self._ticks), []).append(hostile)
        return placed


_CASTS: dict[Shape, Callable[[Story], list[_Act]]] = {
    Shape.STORY: Story._story_cast,  # noqa: SLF001 - chosen by the class itself
    Shape.MIXED: Story._mixed_cast,  # noqa: SLF001 - see above
    Shape.EQUAL_ERRORS: Story._equal_errors_cast,  # noqa: SLF001 - see above
    Shape.DIFFERENT_ERRORS: Story._different_errors_cast,  # noqa: SLF001 - see above
}


def _alone(line: Line) -> Record:
    return Record(line.text, 1, 0, () if line.kind is None else (line.kind,))


def _stamps(start_ms: int) -> list[str]:
    """Return the times that the lines of a tick carry."""
    step = TICK_MS // _STAMPS_PER_TICK
    moments = (datetime.fromtimestamp((start_ms + place * step) / 1000, UTC) for place in range(_STAMPS_PER_TICK))
    return [f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z" for moment in moments]
