"""`k1nb run`: one run of a notebook from a command line, archived whatever happens."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from k1nb.config import Settings
from k1nb.errors import ParameterError, RecordError, UsageError
from k1nb.records._archive import Archive
from k1nb.records._kernel import OURS, foreign_kernel
from k1nb.records._notebook import find_notebook, read_template
from k1nb.records._parameters import Value, checked, from_text, refuse_unknown
from k1nb.records._progress import Progress
from k1nb.records._record import Record, new_id
from k1nb.records._resume import resumption
from k1nb.records._run import parameters_of


def run_notebook(
    settings: Settings,
    notebook: str,
    parameters: Mapping[str, str],
    *,
    apply: str = "",
    limit: float | None = None,
    cell_limit: float | None = None,
    on_progress: Progress | None = None,
) -> Record:
    """Run a notebook with parameters given as text, and return its record, whatever its verdict.

    `apply` is consent: the id of a plan. `limit` and `cell_limit` are seconds, instead of those of `Timings`. Raises
    UnknownName, UsageError or ParameterError before a kernel starts; then there is no record.
    """
    file = find_notebook(notebook)
    values = from_text(_known(file), {**parameters, **_consent(file, apply)})
    return _run(settings, file, values, limits=(limit, cell_limit), on_progress=on_progress)


def resume_run(
    settings: Settings,
    run: str,
    *,
    apply: str = "",
    limit: float | None = None,
    cell_limit: float | None = None,
    on_progress: Progress | None = None,
) -> Record:
    """Run the notebook of a broken run again, with its parameters; the new record names the old one.

    What the broken run has begun is found and followed, what it has finished is planned no more. `apply` takes the
    place of the consent that was given to it. Raises as `resumption` and `run_notebook`.
    """
    found = resumption(settings, run)
    known = _known(found.file)
    refuse_unknown(known, found.parameters)
    values = {name: checked(known[name], value) for name, value in found.parameters.items()}
    values |= _consent(found.file, apply)
    return _run(settings, found.file, values, limits=(limit, cell_limit), on_progress=on_progress, resumes=found.run)


def _known(file: Path) -> Any:
    """Return the parameters that a notebook declares; none for one that is no Python, whose run will say so."""
    template = read_template(file)
    return {} if foreign_kernel(template["metadata"]) else parameters_of(template)


def _consent(file: Path, apply: str) -> dict[str, str]:
    if apply and "apply" not in _known(file):
        raise ParameterError(f"{file.stem} applies nothing", hint="run it without --apply")
    return {"apply": apply} if apply else {}


def _run(
    settings: Settings,
    file: Path,
    values: Mapping[str, Value],
    *,
    limits: tuple[float | None, float | None],
    on_progress: Progress | None,
    resumes: str | None = None,
) -> Record:
    if any(limit is not None and not limit > 0 for limit in limits):
        raise UsageError("a limit is more than 0 seconds", hint="for example --limit 600")
    papermill = _papermill()
    run = new_id(file.stem)
    # What broke is in the record: the engine writes it there before any of these gets here.
    with suppress(papermill.exceptions.PapermillException, RecordError, RuntimeError, TimeoutError):
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
    return Archive(settings.paths).get(run)


def _papermill() -> Any:
    """Return papermill with our engine in it, also where k1nb runs from a checkout that was never installed."""
    import papermill
    from papermill.engines import papermill_engines

    from k1nb.records._engine import Engine

    papermill_engines.register("k1nb", Engine)
    return papermill
