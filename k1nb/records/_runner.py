"""`k1nb run`: one run of a notebook from a command line, archived whatever happens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from k1nb.config import Settings
from k1nb.errors import ParameterError, RecordError, UnknownName, UsageError
from k1nb.records._archive import Archive
from k1nb.records._kernel import OURS, foreign_kernel
from k1nb.records._nbformat import nbformat
from k1nb.records._notebook import find_notebook, read_template
from k1nb.records._outcome import free_id
from k1nb.records._parameters import Parameter, Value, checked, from_text, refuse_secrets, refuse_unknown
from k1nb.records._progress import Progress
from k1nb.records._record import Record, new_id
from k1nb.records._resume import CONSENT, resumption
from k1nb.records._run import parameters_of
from k1nb.records._staging import Staging, refuse_name


def run_notebook(
    settings: Settings,
    notebook: str,
    parameters: Mapping[str, str],
    *,
    apply: str = "",
    run: str = "",
    limit: float | None = None,
    cell_limit: float | None = None,
    on_progress: Progress | None = None,
) -> Record:
    """Run a notebook with parameters given as text, and return its record, whatever its verdict.

    `apply` is consent: the id of a plan; `run` is the new run's id where its starter has named it. `limit` and
    `cell_limit` are seconds, instead of those of `Timings`. Raises UnknownName, UsageError, ParameterError or
    RecordError before a kernel starts; then there is no record.
    """
    file = find_notebook(notebook)
    refuse_name(file.stem, settings.redact)
    known, texts = _known(file), {**parameters, **_consent(file, apply)}
    refuse_secrets({name: parameter.default for name, parameter in known.items()} | texts, settings.redact)
    values = from_text(known, texts)
    return _run(settings, file, values, run=run, limits=(limit, cell_limit), on_progress=on_progress)


def resume_run(
    settings: Settings,
    broken: str,
    *,
    apply: str = "",
    run: str = "",
    limit: float | None = None,
    cell_limit: float | None = None,
    on_progress: Progress | None = None,
) -> Record:
    """Run the notebook of a broken run again, with its parameters; the new record names the old one.

    What the broken run has begun is found and followed, what it has finished is planned no more. `apply` takes the
    place of the consent that was given to it. Raises as `resumption` and `run_notebook`.
    """
    Staging(settings).sweep()  # or its watchdog might be moving the broken run in while it is read
    found = resumption(settings, broken)
    known = _known(found.file)
    refuse_unknown(known, found.parameters)
    values = {name: checked(known[name], value) for name, value in found.parameters.items()}
    values |= _consent(found.file, apply)
    refuse_secrets(values, settings.redact)
    limits = (limit, cell_limit)
    return _run(settings, found.file, values, run=run, limits=limits, on_progress=on_progress, resumes=found.run)


def _known(file: Path) -> dict[str, Parameter]:
    """Return the parameters that a notebook declares; none for one that is no Python, whose run will say so."""
    template = read_template(file)
    return {} if foreign_kernel(template["metadata"]) else parameters_of(template)


def _consent(file: Path, apply: str) -> dict[str, str]:
    if apply and CONSENT not in _known(file):
        raise ParameterError(f"{file.stem} applies nothing", hint="run it without --apply")
    return {CONSENT: apply} if apply else {}


def _run(
    settings: Settings,
    file: Path,
    values: Mapping[str, Value],
    *,
    run: str,
    limits: tuple[float | None, float | None],
    on_progress: Progress | None,
    resumes: str | None = None,
) -> Record:
    if any(limit is not None and not limit > 0 for limit in limits):
        raise UsageError("a limit is more than 0 seconds", hint="for example --limit 600")
    run = free_id(settings.paths, run) if run else new_id(file.stem)
    papermill, raised = _papermill(), None
    try:
        papermill.execute_notebook(
            str(file).replace("{", "{{").replace("}", "}}"),  # papermill formats its paths
            None,
            parameters=dict(values),
            engine_name="k1nb",
            kernel_name=OURS,  # for papermill, which must know one where the notebook names none
            language="python",
            progress_bar=False,
            settings=settings,
            run=run,
            resumes=resumes,
            run_timeout=limits[0],
            execution_timeout=limits[1],
            on_progress=on_progress,
        )
    except (papermill.exceptions.PapermillException, RecordError, RuntimeError, TimeoutError) as error:
        raised = error  # what broke is in the record: the engine writes it there before any of these gets here
    try:
        record = Archive(settings.paths).get(run)
    except UnknownName:
        what = f"run {run} has left no record: its folder was removed while it ran"
        raise RecordError(what, hint="k1nb records verify tells what else is missing") from raised
    if record.manifest.seal is None:
        raise _unsealed(run, raised) from raised
    return record


def _unsealed(run: str, raised: Exception | None) -> Exception:
    """Return the error for a run whose record could not be sealed: whatever it concluded, it is no answer."""
    if isinstance(raised, RecordError):
        return raised
    return RecordError(f"run {run} could not be archived: {raised}", hint=f"k1nb records show {run}")


def _papermill() -> Any:
    """Return papermill with our engine in it, also where k1nb runs from a checkout that was never installed."""
    nbformat()  # which papermill imports as well
    import papermill
    from papermill.engines import papermill_engines

    from k1nb.records._engine import Engine

    papermill_engines.register("k1nb", Engine)
    return papermill
