"""Outages over times at which the server's scheduler should have had a notebook run: nothing is lost unseen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from k1nb import stack
from k1nb.checks import Check, Status
from k1nb.conductor import Conductor
from k1nb.records import find_run, schedules
from k1nb.records.schedules import Run, Sight, State
from k1nb.records.schedules._runs import GRACE, planned_time
from tests.faults._bench import Bench
from tests.faults._table import Row

GROUP = "Schedules"
EVERY_MINUTE = "0 * * * * ?"
NOTEBOOK = "definitions"
PLAIN, CAUGHT = "outage", "outage-catch-up"
_OUTAGE = timedelta(minutes=6, seconds=30)
"""Longer than a run may be late without being called so."""
_PATIENCE = 240.0


@dataclass(frozen=True)
class Case:
    """A service that is down while notebooks are due, and what must be said of that."""

    fault: str
    service: str
    names: Sequence[str]
    wrong: Callable[[Bench, datetime, datetime], Iterator[str]]


def run(bench: Bench, case: Case) -> Row:
    """Have notebooks run each minute, take a service down for some of them, and hold what is said to what must be."""
    began = time.monotonic()
    with Conductor.from_settings(bench.settings) as server:
        for name in case.names:
            wanted = schedules.wanted(
                bench.settings, name, NOTEBOOK, cron=EVERY_MINUTE, parameters={}, catch_up=name == CAUGHT
            )
            schedules.put(server, wanted)
    try:
        _await(lambda: all(_states(bench, name, datetime.min.replace(tzinfo=UTC)) for name in case.names))
        stack.down(bench.patient, [case.service])
        down = datetime.now(UTC)
        time.sleep(_OUTAGE.total_seconds())
        wrong = [] if case.service == "conductor" else list(_unseen(bench))
        stack.up(bench.patient, [case.service])
        up = datetime.now(UTC)
        wrong += case.wrong(bench, down, up)
        happened = "; ".join(f"{name}: {_told(bench, name, down, up)}" for name in case.names)
        check = _check(bench, PLAIN)
    finally:
        with Conductor.from_settings(bench.settings) as server:
            for name in case.names:
                server.remove_schedule(name)
    return Row(
        GROUP,
        case.fault,
        f"{happened}; the check then: {check.status}",
        lost=_lost(happened),
        seconds=time.monotonic() - began,
        wrong=tuple(wrong),
    )


def _lost(happened: str) -> str:
    return "runs that were due, each told" if "missed" in happened else "nothing"


def _sight(bench: Bench, name: str) -> Sight:
    with Conductor.from_settings(bench.settings) as server:
        return schedules.look(server, server.schedule(name), datetime.now(UTC))


def _during(bench: Bench, name: str, since: datetime, until: datetime) -> list[Run]:
    """Return the runs that were due in an outage, the earliest first."""
    return [run for run in reversed(_sight(bench, name).runs) if since < run.planned_at < until]


def _states(bench: Bench, name: str, since: datetime) -> list[Run]:
    """Return the runs since a moment that have their verdict."""
    return [run for run in _sight(bench, name).runs if run.state is State.RAN and run.planned_at > since]


def _told(bench: Bench, name: str, down: datetime, up: datetime) -> str:
    counts: dict[str, int] = {}
    for each in _during(bench, name, down, up):
        what = f"{each.state} {'late' if each.state is State.RAN and each.delay > GRACE else ''}".strip()
        counts[what] = counts.get(what, 0) + 1
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _check(bench: Bench, name: str) -> Check:
    (found,) = [check for check in schedules.checks(bench.settings) if check.name == f"schedule {name}: ran when due"]
    return found


def _unseen(bench: Bench) -> Iterator[str]:
    """Yield what is not said of runs that nobody takes up."""
    check = _check(bench, PLAIN)
    if check.status is not Status.FAIL or "late" not in check.evidence or "k1nb up workers" not in str(check.hint):
        yield f"without workers: {check.status} {check.evidence}"


def _without_server(bench: Bench, down: datetime, up: datetime) -> Iterator[str]:
    """Yield what is wrong after the server was down: one run is made up for, or all with `--catch-up`."""
    if not _came_true(lambda: bool(_states(bench, PLAIN, up))):
        yield "no run for a minute after the outage"
    first, *others = _during(bench, PLAIN, down, up)
    if first.state is not State.RAN or first.delay < GRACE:
        yield f"the first time of the outage: {first.state}, {first.delay} late"
    old = [each for each in others if datetime.now(UTC) - each.planned_at > GRACE]
    if not old or any(each.state is not State.MISSED for each in old):
        yield f"the others are no misses: {[str(each.state) for each in old]}"
    check = _check(bench, PLAIN)
    if check.status not in (Status.FAIL, Status.WARN) or "missed" not in check.evidence:
        yield f"the check: {check.status} {check.evidence}"
    if not _came_true(lambda: all(r.state is State.RAN for r in _during(bench, CAUGHT, down, up))):
        yield f"with --catch-up: {_told(bench, CAUGHT, down, up)}"
    yield from _doubled(bench, (PLAIN, CAUGHT), down)


def _without_workers(bench: Bench, down: datetime, up: datetime) -> Iterator[str]:
    """Yield what is wrong after the workers were down: each run that was started meanwhile is taken up, once."""
    if not _came_true(lambda: all(r.state is State.RAN for r in _during(bench, PLAIN, down, up))):
        yield f"after the outage: {_told(bench, PLAIN, down, up)}"
    if _during(bench, PLAIN, down, up)[0].delay < GRACE:
        yield "the first notebook is not told as late"
    yield from _doubled(bench, (PLAIN,), down)


def _doubled(bench: Bench, names: Sequence[str], since: datetime) -> Iterator[str]:
    """Yield times that had two runs, and runs whose record is not there."""
    for name in names:
        with Conductor.from_settings(bench.settings) as server:
            started = server.correlated(schedules.WORKFLOW, server.schedule(name).correlation_id or "")
        times = [at for each in started if (at := planned_time(each)) is not None and at > since]
        if len(times) != len(set(times)):
            yield f"{name}: {len(times) - len(set(times))} times were run twice"
        for each in _states(bench, name, since):
            if each.run is None or find_run(bench.settings, each.run) is None:
                yield f"{name}: the run for {each.planned_at:%H:%M} has no record"


def _came_true(question: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True


def _await(question: Callable[[], bool]) -> None:
    if not _came_true(question):
        raise RuntimeError("the schedules do not run even without an outage")


CASES = (
    Case("the server is down for 6.5 minutes, one due each", "conductor", (PLAIN, CAUGHT), _without_server),
    Case("the workers are down for 6.5 minutes, one due each", "workers", (PLAIN,), _without_workers),
)
