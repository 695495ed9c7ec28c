"""`k1nb run`: one run of a notebook from a command line, archived whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from k1nb.config import Settings
from k1nb.errors import ParameterError, RecordError
from k1nb.records._archive import Archive
from k1nb.records._notebook import find_notebook, read_template
from k1nb.records._parameters import from_text, refuse_secrets
from k1nb.records._record import Record, new_id
from k1nb.records._run import parameters_of
from k1nb.records._staging import refuse_name

Progress = Callable[[int, int], None]
"""Called with the number of cells done and of all cells."""


def run_notebook(
    settings: Settings,
    notebook: str,
    parameters: Mapping[str, str],
    *,
    apply: str = "",
    on_progress: Progress | None = None,
) -> Record:
    """Run a notebook with parameters given as text, and return its record, whatever its verdict.

    `apply` is consent: the id of a plan. Raises UnknownName or ParameterError before a kernel starts; then there
    is no record.
    """
    file = find_notebook(notebook)
    refuse_name(file.stem, settings.redact)
    source = read_template(file)
    known = parameters_of(source)
    texts = {**parameters, **({"apply": apply} if apply else {})}
    refuse_secrets({name: parameter.default for name, parameter in known.items()} | texts, settings.redact)
    if apply and "apply" not in known:
        raise ParameterError(f"{file.stem} applies nothing", hint="run it without --apply")
    values = from_text(known, texts)
    papermill = _papermill()
    run = new_id(file.stem)
    # What broke is in the record: the engine writes it there before any of these gets here.
    with suppress(papermill.exceptions.PapermillException, RecordError, RuntimeError, TimeoutError):
        papermill.execute_notebook(
            str(file).replace("{", "{{").replace("}", "}}"),  # papermill formats its paths
            None,
            parameters=values,
            engine_name="k1nb",
            kernel_name="python3",  # our own runs it, whatever the notebook names, or where it names none
            language="python",
            progress_bar=False,
            settings=settings,
            run=run,
            on_cell_start=_reporter(len(source["cells"]), on_progress),
        )
    return Archive(settings.paths).get(run)


def _papermill() -> Any:
    """Return papermill with our engine in it, also where k1nb runs from a checkout that was never installed."""
    import papermill
    from papermill.engines import papermill_engines

    from k1nb.records._engine import Engine

    papermill_engines.register("k1nb", Engine)
    return papermill


def _reporter(cells: int, on_progress: Progress | None) -> Callable[..., None] | None:
    if on_progress is None:
        return None

    def report(*, cell_index: int, **_: Any) -> None:
        on_progress(min(cell_index, cells), cells)  # papermill may have put its own cell in

    return report
