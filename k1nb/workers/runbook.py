"""The task function that runs a notebook, as a child process that leaves its own record."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC
from functools import partial
from itertools import count, islice
from pathlib import Path

from pydantic import BaseModel, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from k1nb._process import run_child
from k1nb.checks import Status, Verdict
from k1nb.config import Settings, environment, variables
from k1nb.errors import RetryableFailure, TerminalFailure
from k1nb.records import Record, began_at, find_run, new_id, place_of, tally, tell_to_end, worst_first
from k1nb.records.schedules import values_for
from k1nb.workers._task import TaskContext, task

Scalar = StrictBool | StrictInt | StrictFloat | StrictStr
_NAMED = 5
_LONGEST = 500
"""Characters of one check that go into an output."""
_USED_WRONGLY = 2
"""Exit code of the child where it was told something that it does not take."""


class RunbookIn(BaseModel):
    """A shipped notebook and its parameters; consent to a plan is none of them."""

    notebook: str
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    strict: bool = False
    """Whether WARN does not pass."""


class RunbookOut(BaseModel):
    """How a run ended; `details` are the worst checks with their hints, for people who are told."""

    run: str
    began_at: str
    """When the run began, not when it was asked for: ISO 8601, UTC."""
    notebook: str
    verdict: str
    passes: bool
    reason: str
    """Why it did not conclude, if it did not; else why it does not pass."""
    exit_code: int | None
    """Null where an earlier attempt at this task had begun the run, and its process ended unseen."""
    folder: str
    tally: str
    details: list[str]
    head: str
    """Where the record stands in the chain of all that were sealed, in words."""
    head_number: int | None
    head_sha256: str | None


@task("run_runbook", concurrency=2)
async def run_runbook(words: RunbookIn, context: TaskContext) -> RunbookOut:
    """Run a shipped notebook once, whatever its verdict; a run that an earlier attempt began is waited for.

    Where that one broke off with its worker, another one resumes it. Raises UnknownName or ParameterError for what
    cannot be run, RetryableFailure where the run left no record.
    """
    texts = {name: _text(value) for name, value in words.parameters.items()}
    values_for(context.settings, words.notebook, texts)
    arguments = [word for name, text in texts.items() for word in ("-p", f"{name}={text}")]
    record, code = await _once(words.notebook, arguments, context)
    passes = record.passes and record.verdict.passes(strict=words.strict)
    return await asyncio.to_thread(_outcome, context.settings, record, code, passes)


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _once(notebook: str, arguments: list[str], context: TaskContext) -> tuple[Record, int | None]:
    """Return the run of this task and its exit code: the one that an earlier attempt began, or a new one.

    Each run's id is written down before it begins, so that whoever comes after a killed worker finds it; two
    processes that are given one id cannot both stage it.
    """
    first = await _first_attempt(context)
    begin = ["run", notebook, *arguments]
    for number in count():
        run = await context.once(f"runbook/{first}/{number}", str, partial(_name, notebook))
        record = await asyncio.to_thread(find_run, context.settings, run)
        if record is None:
            await context.log(f"running {notebook} as {run}")
            return await _start(notebook, begin, run, context)
        if record.running:
            await context.log(f"run {run} is under way since an earlier attempt; waiting for it")
            record = await _until_over(record, context)
        if record.verdict is not Verdict.INTERRUPTED:
            return record, None
        await context.log(f"run {run} broke: {record.reason}; resuming it")
        begin = ["run", "--resume", run]
    raise AssertionError("unreachable: the numbers do not end")


async def _first_attempt(context: TaskContext) -> str:
    """Return the id of the first attempt at this task; a rerun and a restart are first attempts of their own."""
    task = context.task

    async def find() -> str:
        return await context.once(f"runbook/{task.retried_id}/first", str, partial(_itself, task.retried_id or ""))

    origin = partial(_itself, task.id) if task.retried_id is None else find
    return await context.once(f"runbook/{task.id}/first", str, origin)


async def _itself(name: str) -> str:
    return name


async def _name(notebook: str) -> str:
    return new_id(notebook)


async def _start(notebook: str, begin: list[str], run: str, context: TaskContext) -> tuple[Record, int | None]:
    settings, timings = context.settings, context.timings
    log = settings.paths.logs / "runbooks" / f"{run}.log"
    code: int | None = None
    try:
        async with asyncio.timeout(timings.runbook):
            finished = await run_child(
                [sys.executable, "-m", "k1nb", *begin, "--as", run],
                cwd=settings.home,
                env=environment(settings, **variables(settings)),
                log=log,
                stop_within=timings.child_stop,
            )
        code = finished.exit_code
    except TimeoutError:
        await context.log(f"stopped after {timings.runbook:g} s")
    record = await asyncio.to_thread(find_run, settings, run)
    if record is None:
        raise _no_record(notebook, code, log)
    if record.running:  # the child of an attempt whose worker was killed has staged it first
        return await _until_over(record, context), None
    return record, code


def _no_record(notebook: str, code: int | None, log: Path) -> TerminalFailure | RetryableFailure:
    said = " ".join(log.read_text(encoding="utf-8", errors="replace").split())[-300:]
    kind = TerminalFailure if code == _USED_WRONGLY else RetryableFailure
    return kind(f"the run of {notebook} left no record, exit code {code}: {said}", hint=f"see {log}")


async def _until_over(record: Record, context: TaskContext) -> Record:
    """Return a run once its process has ended; where nobody waits for it any more, it is told to end."""
    try:
        async with asyncio.timeout(context.timings.runbook):
            while record.running:
                await asyncio.sleep(context.timings.runbook_look)
                found = await asyncio.to_thread(find_run, context.settings, record.id)
                if found is None:
                    raise RetryableFailure(f"run {record.id} vanished", hint="look whether somebody removed its folder")
                record = found
    except (asyncio.CancelledError, TimeoutError):
        tell_to_end(record)
        raise
    return record


def _outcome(settings: Settings, record: Record, code: int | None, passes: bool) -> RunbookOut:
    place = place_of(record)
    counted = tally(record.checks)
    return RunbookOut(
        run=record.id,
        began_at=began_at(settings, record).astimezone(UTC).isoformat(timespec="seconds"),
        notebook=record.notebook,
        verdict=record.verdict.value,
        passes=passes,
        reason=record.reason or ("" if passes else f"{record.verdict}, {counted}"),
        exit_code=code,
        folder=str(record.folder),
        tally=counted,
        details=[*_worst(record), f"record {record.id} in {record.folder}", str(place or "the record has no seal")],
        head=str(place or ""),
        head_number=place.number if place else None,
        head_sha256=place.sha256 if place else None,
    )


def _worst(record: Record) -> Iterator[str]:
    """Yield why a run did not conclude, then its worst checks."""
    if record.reason:
        yield record.reason[:_LONGEST]
    bad = (c for c in worst_first(record.checks) if c.status not in (Status.OK, Status.NOT_CONFIGURED))
    for check in islice(bad, _NAMED):
        hint = f" (hint: {check.hint})" if check.hint else ""
        yield f"{check.status} {check.name}: {check.evidence}{hint}"[:_LONGEST]
