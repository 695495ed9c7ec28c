"""One row as data: what is broken, and what must come of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from k1nb.conductor import ExecutionStatus
from k1nb.firmware import Grade, Outcome
from tests.faults._bench import Bench, Change, Seen
from tests.faults._table import Row

More = Callable[[Bench, Seen], Iterator[str]]
"""Looks at what else must hold and yields one text for each thing that does not."""


_WRAPPING = re.compile(r"Task \S+ failed with status: \w+ and reason: '|Sub workflow \S+ failure reason: ")


def nothing_more(_bench: Bench, _seen: Seen) -> Iterator[str]:
    """Ask nothing more."""
    yield from ()


@dataclass(frozen=True)
class Case:
    """A fault of a commit or of the device, and the end states that are true."""

    fault: str
    outcomes: Collection[Outcome]
    grades: Collection[Grade]
    flashes: Collection[int]
    changes: Mapping[str, Change] = field(default_factory=dict)
    device: Sequence[str] = ()
    """Faults of the simulated device, as `--fault` takes them."""
    password: str = ""
    """OTA password that the device asks for, and nobody is told."""
    again: bool = False
    """Whether the same is delivered again afterwards, to a device without faults."""
    more: More = nothing_more

    @property
    def good(self) -> bool:
        """Tell whether the delivery is to succeed in spite of the fault."""
        return set(self.outcomes) == {Outcome.succeeded}


def run(bench: Bench, group: str, case: Case) -> Row:
    """Break it, deliver, and hold what came of it to what must be."""
    bench.switch_on(*case.device, password=case.password)
    seen = bench.begin(case.fault, case.changes).end()
    wrong = [*judge(case, seen), *case.more(bench, seen)]
    found = row(group, case.fault, seen, wrong)
    return _rerun(bench, seen, found) if case.again else found


def _rerun(bench: Bench, seen: Seen, found: Row) -> Row:
    """Deliver the same commit once more, and hold that to what must be: it is there, or it gets there."""
    bench.switch_off()
    bench.switch_on()
    began = time.monotonic()
    again = bench.deliver(seen.commit)
    seconds = found.seconds + time.monotonic() - began
    if again is None:
        there = bench.running == seen.delivered.artifact_id
        wrong = [] if there else ["nothing is planned, although the device runs something else"]
        return replace(found, rerun="plans nothing", seconds=seconds, wrong=(*found.wrong, *wrong))
    ended = again.end()
    said = f"{ended.delivered.outcome.value}, {ended.delivered.grade.name}, {_flashes(ended)}"
    good = ended.delivered.grade is Grade.IDENTIFIED and not list(truth(ended))
    wrong = [] if good else ["the same again is to succeed"]
    return replace(found, rerun=said, seconds=seconds, wrong=(*found.wrong, *wrong))


def judge(case: Case, seen: Seen) -> Iterator[str]:
    """Yield what is not as it must be."""
    yield from truth(seen)
    if seen.delivered.outcome not in case.outcomes:
        yield f"outcome is to be {' or '.join(case.outcomes)}"
    if seen.delivered.grade not in case.grades:
        yield f"grade is to be {' or '.join(grade.name for grade in case.grades)}"
    if seen.flashes not in case.flashes:
        yield f"flashes are to be {' or '.join(map(str, case.flashes))}, not {seen.flashes}"
    wanted = "COMPLETED" if case.good else "FAILED"
    if seen.execution.status != wanted:
        yield f"the execution is to be {wanted}"
    if case.good and seen.exit_code != 0:
        yield "the run is to end with 0"


def truth(seen: Seen) -> Iterator[str]:
    """Yield what would be a lie whatever the fault was."""
    good = seen.delivered.outcome in (Outcome.succeeded, Outcome.no_op) and seen.delivered.grade >= Grade.HEALTHY
    if (seen.execution.status is ExecutionStatus.COMPLETED) is not good:
        yield f"the execution is {seen.execution.status}, the deployment {seen.delivered.outcome}"
    if seen.verdict in ("OK", "WARN") and not good:
        yield f"the verdict is {seen.verdict}"
    if (seen.exit_code == 0) is not (seen.verdict in ("OK", "WARN")):
        yield f"verdict {seen.verdict} with exit code {seen.exit_code}"
    if not good and seen.good_after != seen.good_before:
        yield "the ledger's last good has changed"
    if seen.lost:
        yield "something is lost"


def row(group: str, fault: str, seen: Seen, wrong: Sequence[str], before: str = "") -> Row:
    """Return the row of a delivery."""
    return Row(
        group=group,
        fault=fault,
        happened=before + "; ".join(_happened(seen)),
        grade=seen.delivered.grade.name,
        outcome=seen.delivered.outcome.value,
        verdict=seen.verdict,
        exit_code=str(seen.exit_code),
        lost=", ".join(seen.lost) or "nothing",
        seconds=seen.seconds,
        wrong=tuple(wrong),
    )


def _happened(seen: Seen) -> Iterator[str]:
    yield f"execution {seen.execution.status}"
    for reference in ("platformio_compile", "deploy_firmware_ota", "device_health_check"):
        attempts = seen.attempts(reference)
        if len(attempts) > 1:
            yield f"{len(attempts)} attempts at {reference}, the first: {_short(attempts[0].reason)}"
    yield _flashes(seen)
    if seen.execution.status is not ExecutionStatus.COMPLETED:
        reasons = [e.reason for e in (seen.execution, *seen.children) if e.status is not ExecutionStatus.COMPLETED]
        yield from dict.fromkeys(_short(text) for text in (seen.delivered.evidence[-1], reasons[-1]))


def _flashes(seen: Seen) -> str:
    return f"{seen.flashes} flash{'es' if seen.flashes != 1 else ''}"


def _short(text: str) -> str:
    """Return a text in one line, without the words that Conductor puts around a task's reason."""
    line = " ".join(text.split())
    while wrapping := _WRAPPING.match(line):
        line = line[wrapping.end() :].removesuffix("'")
    return line if len(line) <= 160 else line[:159] + "…"
