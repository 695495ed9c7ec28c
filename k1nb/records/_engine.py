"""Our papermill engine: a private kernel that knows its run, and a record whatever happens to it."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from papermill.engines import NBClientEngine

from k1nb.config import Settings, environment, load, variables
from k1nb.errors import RecordError, Stopped
from k1nb.paths import private
from k1nb.records._notebook import INJECTED, tagged, unexpected_error, words
from k1nb.records._parameters import assigned, checked, refuse_secrets, refuse_unknown
from k1nb.records._record import NOTEBOOK, Record
from k1nb.records._run import parameters_of
from k1nb.records._signals import raising
from k1nb.records._staging import KERNEL_LOG, Staging
from k1nb.secrets import Redactor

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

ENDED = "the notebook ended before its last cell concluded it"


class Engine(NBClientEngine):  # type: ignore[misc] # papermill has no annotations
    """`papermill --engine k1nb`: stages a run, tells the kernel its id, and moves the record in when it is over.

    The executed notebook joins the record by itself. A kernel that dies, a cell that hangs and a notebook that
    leaves early end with an error and an INTERRUPTED record.
    """

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        *,
        settings: Settings | None = None,
        run: str | None = None,
        **options: Any,
    ) -> Any:
        """Run a notebook that papermill has prepared; raises ParameterError before anything starts."""
        settings = settings or load()
        refuse_parameters(nb, settings.redact)
        staging = Staging(settings)
        record = staging.begin(Path(options.get("input_path") or "notebook").stem, run=run)
        saved = output_path or str(record.folder / NOTEBOOK)
        reason = ""
        with raising():
            try:
                return super().execute_notebook(nb, kernel_name, saved, settings=settings, record=record, **options)
            except Stopped as stopped:
                reason, stopped.hint = stopped.message, f"k1nb records show {record.id}"
                raise
            except BaseException as error:
                reason = words(type(error).__name__, str(error))
                raise
            finally:
                _finish(staging, record, nb, reason)

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        settings: Settings,
        record: Record,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        on_cell_start: Callable[..., None] | None = None,
        **options: Any,
    ) -> Any:
        """Execute the cells in a kernel of this interpreter, reached by sockets in a private folder."""
        from papermill.log import logger

        from k1nb.records._client import Client

        passed_on = {name: options.get(name) for name in ("stdout_file", "stderr_file")}
        with kernel_manager(settings, record.id) as manager, (record.folder / KERNEL_LOG).open("wb") as log:
            client = Client(
                nb_man,
                km=manager,
                kernel_name=kernel_name,
                timeout=execution_timeout or max(1, math.ceil(settings.timings.cell)),
                startup_timeout=start_timeout,
                on_cell_start=on_cell_start,
                log=logger,
                log_output=options.get("log_output", False),
                **passed_on,
            )
            changes = variables(settings) | {"K1NB_RUN": record.id}
            return client.execute(env=environment(settings, **changes), stdout=log, stderr=log, cleanup_kc=True)


def refuse_parameters(notebook: Any, redact: Redactor) -> None:
    """Raise ParameterError where papermill was given a parameter that the notebook does not declare, or not so.

    One that holds a secret is refused as well, by default or given.
    """
    known = parameters_of(notebook)
    given = notebook.metadata.get("papermill", {}).get("parameters") or {}
    refuse_secrets({name: parameter.default for name, parameter in known.items()} | given, redact)
    refuse_unknown(known, assigned(tagged(notebook, INJECTED) or ""))
    for name in known.keys() & given.keys():
        checked(known[name], given[name])


@contextmanager
def kernel_manager(settings: Settings, run: str) -> Iterator[AsyncKernelManager]:
    """Yield the manager of a kernel that this interpreter runs, with IPC sockets that only its owner can reach."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    connection = private(settings.paths.runtime) / f"{run[-6:]}.json"
    specifications = KernelSpecManager(kernel_dirs=[])  # none but that of the ipykernel beside us
    manager = AsyncKernelManager(
        transport="ipc", connection_file=str(connection), kernel_spec_manager=specifications, kernel_name="python3"
    )
    try:
        yield manager
    finally:
        _end_children(manager)
        manager.cleanup_ipc_files()
        connection.unlink(missing_ok=True)


def _end_children(manager: AsyncKernelManager) -> None:
    """Kill what a kernel has started and left: it led a process group of its own."""
    group = getattr(manager.provisioner, "pgid", None)
    if group and group != os.getpgrp():
        with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
            os.killpg(group, signal.SIGKILL)


def _finish(staging: Staging, record: Record, notebook: Any, reason: str) -> None:
    """Move a run's record in; raise RecordError where nobody else would say that it did not conclude."""
    left = staging.staged(record.id)
    error = unexpected_error(notebook, passed=left.passes)
    told = bool(reason)
    if error and not reason:
        told = error.ename != "SystemExit"
        reason = words(error.ename, error.evalue)
    if reason:
        cell = _last_started(notebook)
        reason = f"cell {cell}: {reason}" if cell else reason
    elif left.ended_at is None:
        reason = ENDED
    settled = staging.settle(record, executed=notebook, reason=reason)
    if reason and not told:
        raise RecordError(f"run {settled.id} is {settled.verdict}: {reason}", hint=f"k1nb records show {settled.id}")


def _last_started(notebook: Any) -> int:
    """Return the number of the cell that ran last, counted from 1; papermill calls the later ones completed as well."""
    started = [n for n, c in enumerate(notebook.cells, 1) if c.metadata.get("papermill", {}).get("start_time")]
    return started[-1] if started else 0
