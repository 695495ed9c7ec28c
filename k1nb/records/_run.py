"""A run as its notebook sees it: connect, add checks, conclude."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from k1nb.checks import Check, Verdict, verdict
from k1nb.config import Settings, load
from k1nb.errors import ParameterError, RecordError, VerdictNotPassed
from k1nb.records._archive import Archive
from k1nb.records._notebook import PARAMETERS, find_notebook, read_template, tagged
from k1nb.records._parameters import (
    Parameter,
    Value,
    assigned,
    declared,
    from_namespace,
    refuse_secrets,
    refuse_unknown,
)
from k1nb.records._record import Manifest, Record
from k1nb.records._resume import began
from k1nb.records._staging import Staging
from k1nb.records._table import tally, verdict_html, verdict_text, worst_first

if TYPE_CHECKING:
    from k1nb.conductor import Execution

MIME = "application/vnd.k1nb.run+json"
"""Type of the output in which an executed notebook carries its run's manifest."""
UNNAMED = "notebook"
"""Name of a notebook whose file papermill does not name."""
_PAPERMILL = "# Parameters\n"


class Run:
    """One execution of a notebook, INTERRUPTED until it concludes."""

    def __init__(self, settings: Settings, staging: Staging, record: Record, *, managed: bool) -> None:
        self.settings = settings
        self._staging = staging
        self._record = record
        self._managed = managed  # a runner outside this kernel adds the executed notebook and moves the record in

    def __repr__(self) -> str:
        """Name the run."""
        return f"<Run {self.id}>"

    @property
    def id(self) -> str:
        """The run's identifier, and the name of its record."""
        return self._record.id

    @property
    def notebook(self) -> str:
        """Name of the notebook."""
        return self._record.notebook

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters' values, as validated."""
        return dict(self._record.parameters)

    @property
    def since(self) -> datetime | None:
        """When the first of the broken runs began that this one goes on from with their consent; None without one."""
        return began(Archive(self.settings.paths), self._record)

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks so far."""
        return self._record.checks

    def add(self, *checks: Check) -> None:
        """Add checks; they are in the record at once, whatever comes next."""
        with self._turn() as now:
            self._record = self._staging.update(now, checks=(*now.checks, *checks))

    def refer(self, *, execution: str | None = None, artifact: str | None = None, device: str | None = None) -> None:
        """Name an execution, an artifact or a device that the run is about; None says nothing."""
        with self._turn() as now:
            known = now.manifest
            named = {
                "executions": _with(known.executions, execution),
                "artifacts": _with(known.artifacts, artifact),
                "devices": _with(known.devices, device),
            }
            if any(named[name] != getattr(known, name) for name in named):
                self._record = self._staging.update(now, **named)

    def uses(self, **versions: str | None) -> None:
        """Name the versions of what the run worked with, such as `conductor="3.32.1"`; None says nothing."""
        known = {name: text for name, text in versions.items() if text}
        with self._turn() as now:
            self._record = self._staging.update(now, versions={**now.manifest.versions, **known})

    def follow(self, execution: Execution) -> None:
        """Name an execution that is being followed, so that the record has it also where the run breaks off."""
        self.refer(execution=execution.id)

    def conclude(self) -> None:
        """Write checks and verdict into the record, show them, and raise VerdictNotPassed unless the verdict passes.

        A parameter `strict` that is true refuses WARN as well.
        """
        with self._turn() as now:
            self._record = self._staging.update(now, verdict=verdict(now.checks), ended_at=datetime.now(UTC))
        if not self._managed:
            self._record = self._staging.settle(self._record)
        _show(self._record.manifest)
        if not self._record.passes:
            raise _not_passed(self._record)

    @contextmanager
    def _turn(self) -> Iterator[Record]:
        """Yield the run as it stands, for one change: threads, forked processes and other handles change it, too."""
        if self._record.ended_at is not None:
            raise RecordError(f"run {self.id} has concluded", hint="begin another from the first cell")
        with self._staging.turn(self.id) as now:
            yield now


def _with(known: tuple[str, ...], new: str | None) -> tuple[str, ...]:
    return known if new is None or new in known else (*known, new)


def _not_passed(record: Record) -> VerdictNotPassed:
    worst = worst_first(record.checks)[:1]
    strict = " (strict)" if record.verdict is Verdict.WARN else ""
    hint = next((c.hint for c in worst if c.hint), None)
    return VerdictNotPassed(
        f"{record.notebook}: {record.verdict}{strict}, {tally(record.checks)}",
        hint=hint or f"k1nb records show {record.id}",
    )


def connect(notebook: str, namespace: dict[str, Any]) -> Run:
    """Begin a run: read the settings, check the notebook's parameters, stage a record.

    `notebook` is a shipped notebook's name, or the path of one's own; `namespace` is `globals()`. In the kernel that a
    runner started it goes on with the runner's run; a process that this kernel starts begins one of its own. Raises
    SettingError or ParameterError before there is a record.
    """
    settings = load()
    file = find_notebook(notebook)
    known = parameters_of(read_template(file))
    refuse_secrets({name: namespace.get(name) for name in (*known, *_injected())}, settings.redact)
    refuse_unknown(known, _injected())
    values = from_namespace(known, namespace)
    staging = Staging(settings)
    given = _given(staging, settings.run) if settings.run else None
    if given is None:
        staging.sweep(superseded=True)
        begun = staging.begin(file.stem)
    else:
        begun = given
        _refuse_other(given, file.stem, values)
    with staging.turn(begun.id) as now:
        record = staging.update(now, notebook=file.stem, parameters=_plain(values), target=target_of(settings))
    _show(record.manifest)
    return Run(settings, staging, record, managed=given is not None)


def _given(staging: Staging, run: str) -> Record | None:
    """Return the run that a runner began for this kernel; None where we have only inherited the name of it.

    Raises RecordError where that run is over, or its runner is gone.
    """
    record = staging.staged(run)
    if record.ended_at is not None:
        raise RecordError(f"run {run} has concluded", hint="one run concludes once: remove the second connect")
    runner = record.manifest.process
    if runner is None or not runner.alive:
        raise RecordError(f"the process that began run {run} has ended", hint="unset K1NB_RUN, and begin another")
    return record if runner.pid == os.getppid() else None


def _refuse_other(given: Record, notebook: str, values: dict[str, Value]) -> None:
    """Raise RecordError for another notebook than the runner's, ParameterError for other values than it has checked."""
    if given.notebook not in (notebook, UNNAMED):
        raise RecordError(
            f"run {given.id} is of the notebook {given.notebook}, not of {notebook}",
            hint=f"connect as {given.notebook}, or give the file the name {notebook}.ipynb",
        )
    for name, value in values.items():
        if repr(value) != repr(given.parameters.get(name)):
            raise ParameterError(
                f"parameter {name} is {value!r} in the kernel, but the run was given {given.parameters.get(name)!r}",
                hint=f"leave {name} as it is in the cells, and begin the run with the value",
            )


def parameters_of(notebook: Any) -> dict[str, Parameter]:
    """Return the parameters that a notebook declares; raises ParameterError where it has no parameters cell."""
    source = tagged(notebook, PARAMETERS)
    if source is None:
        raise ParameterError(
            "the notebook has no parameters cell", hint=f"give the cell that declares them the tag {PARAMETERS!r}"
        )
    return declared(source)


def parameter_names(notebook: str) -> list[str]:
    """Return the names of a notebook's parameters; raises RecordError and ParameterError as a run of it would."""
    return list(parameters_of(read_template(find_notebook(notebook))))


def target_of(settings: Settings) -> str:
    """Say where Conductor runs, and its address."""
    return f"{settings.target} {settings.conductor_server_url}"


def _plain(values: dict[str, Value]) -> dict[str, Any]:
    return dict(values)


def _injected() -> Iterable[str]:
    """Return the names that papermill's injected cell gave values to, as far as this kernel has seen one."""
    from IPython.core.getipython import get_ipython

    history = getattr(get_ipython(), "history_manager", None)
    seen = [source for source in history.input_hist_raw if source.startswith(_PAPERMILL)] if history else []
    return assigned(seen[-1]) if seen else ()


def _show(manifest: Manifest) -> None:
    """Display a run's state, and leave its manifest in the notebook for `k1nb records import`."""
    from IPython.display import display

    carried = manifest.model_dump(mode="json", exclude={"process"})
    if manifest.verdict is Verdict.INTERRUPTED:
        text = f"run {manifest.run}"
        bundle = {"text/plain": text, MIME: carried}
    else:
        shown = (manifest.verdict, f"{manifest.notebook}, run {manifest.run}", manifest.checks)
        bundle = {"text/html": verdict_html(*shown), "text/plain": verdict_text(*shown), MIME: carried}
    display(bundle, raw=True)  # type: ignore[no-untyped-call] # IPython has no annotation here
