"""Our papermill engine: a private kernel that knows its run, and a record whatever happens to it."""

from __future__ import annotations

import math
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from papermill.engines import NBClientEngine

from k1nb.config import RUN, Settings, environment, load, variables
from k1nb.errors import RunBroken, Stopped
from k1nb.records._echo import Echo, masked_logging
from k1nb.records._ending import close, last_started, mark, untold, why
from k1nb.records._kernel import OURS, foreign_kernel, kernel_manager
from k1nb.records._limits import Limits
from k1nb.records._log import redacted_log
from k1nb.records._manager import Manager
from k1nb.records._notebook import INJECTED, source_sum, tagged, words
from k1nb.records._parameters import Value, assigned, checked, refuse_secrets, refuse_unknown
from k1nb.records._progress import Progress
from k1nb.records._record import Record, versions_of
from k1nb.records._resume import claimed
from k1nb.records._run import UNNAMED, parameters_of, target_of
from k1nb.records._signals import Signals, raising
from k1nb.records._staging import KERNEL_LOG, Staging
from k1nb.records._watchdog import watched
from k1nb.secrets import Redactor

_PACKAGES = ("papermill", "nbclient", "ipykernel", "jupyter_client")


class Engine(NBClientEngine):  # type: ignore[misc] # papermill has no annotations
    """`papermill --engine k1nb`: stages a run, tells the kernel its id, and moves the record in when it is over.

    The executed notebook joins the record by itself. A kernel that dies, a limit that is reached, a disk that is full
    and a notebook that leaves early end with an error and an INTERRUPTED record, and with no process left.
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
        resumes: str | None = None,
        on_progress: Progress | None = None,
        input_path: str | None = None,
        **options: Any,
    ) -> Any:
        """Run a notebook that papermill has prepared; raises ParameterError before anything starts."""
        settings = settings or load()
        foreign = foreign_kernel(nb.metadata, kernel_name)
        parameters = {} if foreign else refuse_parameters(nb, settings.redact)
        staging = Staging(settings)
        with raising() as signals, masked_logging(settings.redact):
            with claimed(settings, resumes):
                staging.sweep()
                signals.hold()  # until there is somebody to close what is staged now
                record = staging.update(
                    staging.begin(_name(input_path), run=run),
                    parameters=parameters,
                    source=source_sum(input_path),
                    target=target_of(settings),
                    resumes=resumes,
                    versions=versions_of(*_PACKAGES),
                )
            mark(nb, record.manifest)
            said = ("progress_bar", "log_output", "autosave_cell_every")
            manager = Manager(
                nb,
                record,
                settings.redact,
                on_progress=on_progress,
                output_path=output_path,
                **{name: options[name] for name in said if name in options},
            )
            options["settings"] = settings
            cls._run(manager, kernel_name, foreign, staging=staging, record=record, signals=signals, **options)
        return manager.masked()

    @classmethod
    def _run(
        cls,
        manager: Manager,
        kernel_name: str,
        foreign: str,
        *,
        staging: Staging,
        record: Record,
        signals: Signals,
        **options: Any,
    ) -> None:
        """Execute the notebook and move its record in, whatever happens."""
        reason = ""
        with ExitStack() as watching:
            try:
                manager.notebook_start()
                watching.enter_context(watched(options["settings"], record.id))
                signals.release()
                _refuse(foreign)
                cls.execute_managed_notebook(manager, kernel_name, record=record, **options)
            except RunBroken as error:
                reason = error.message
                raise
            except Stopped as stopped:
                reason = _in_cell(manager, stopped.message)
                stopped.hint = f"go on with k1nb run --resume {record.id}"
                raise
            except BaseException as error:
                reason = _in_cell(manager, words(type(error).__name__, str(error)))
                raise
            finally:
                signals.hold()
                manager.cleanup_pbar()
                manager.notebook_complete()
                reason, told = why(manager.nb, staging.staged(record.id).manifest, reason)
                settled = close(staging, record, manager.nb, reason)
                told = told and (bool(reason) or not settled.reason)
                manager.publish()
                if not told:
                    raise untold(settled)

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Manager,
        kernel_name: str,  # noqa: ARG003 - papermill passes it by position
        *,
        settings: Settings,
        record: Record,
        start_timeout: float = 60,
        execution_timeout: float | None = None,
        run_timeout: float | None = None,
        **options: Any,
    ) -> Any:
        """Execute the cells in a kernel of this interpreter, reached by sockets in a private folder."""
        from papermill.log import logger

        from k1nb.records._client import Client

        timings = settings.timings
        limits = Limits(cell=execution_timeout or timings.cell, run=run_timeout or timings.run)
        logging = logger if options.get("log_output") else None
        echo = Echo(settings.redact, logging, options.get("stdout_file"), options.get("stderr_file"))
        with (
            closing(echo),
            redacted_log(record.folder / KERNEL_LOG, settings) as log,
            kernel_manager(settings, record.id) as manager,
        ):
            client = Client(
                nb_man,
                limits=limits,
                km=manager,
                kernel_name=OURS,
                startup_timeout=math.ceil(min(start_timeout, limits.left)),
                log=logger,
                echo=echo,
            )
            changes = variables(settings) | {RUN: record.id}
            return client.execute(env=environment(settings, **changes), stdout=log, stderr=log, cleanup_kc=True)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """Return the kernel that was asked for, or that the notebook names; ours where neither is."""
        return str(name or nb.metadata.get("kernelspec", {}).get("name") or OURS)

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:  # noqa: ARG003 - likewise
        """Return the language that parameters are written in: ours, for nothing else is run."""
        return language or "python"


def refuse_parameters(notebook: Any, redact: Redactor) -> dict[str, Value]:
    """Return the parameters' values; raise ParameterError for one that the notebook does not declare, or not so.

    One that holds a secret is refused as well, by default or given.
    """
    known = parameters_of(notebook)
    given = notebook.metadata.get("papermill", {}).get("parameters") or {}
    refuse_secrets({name: parameter.default for name, parameter in known.items()} | given, redact)
    refuse_unknown(known, assigned(tagged(notebook, INJECTED) or ""))
    values = {name: checked(known[name], given[name]) for name in known.keys() & given.keys()}
    return {name: values.get(name, parameter.default) for name, parameter in known.items()}


def _name(input_path: str | None) -> str:
    return Path(input_path).stem if input_path and input_path != "-" else UNNAMED


def _refuse(foreign: str) -> None:
    if foreign:
        raise RunBroken(f"it wants the kernel {foreign}, and only Python notebooks are run", hint="use its own tools")


def _in_cell(manager: Manager, reason: str) -> str:
    cell = last_started(manager.nb)
    return f"cell {cell}: {reason}" if cell else reason
