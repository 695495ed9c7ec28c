"""The command that opens JupyterLab on the workbook."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from k1nb.cli import _complete, _output


def register(app: typer.Typer) -> None:
    """Add `lab` to the root."""
    app.command()(lab)


def lab(
    notebook: Annotated[
        str, typer.Argument(help="Notebook to open, such as daily_health.", autocompletion=_complete.notebooks)
    ] = "",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port; the next free one if it is taken.")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Open JupyterLab on the notebooks, in the foreground until Ctrl-C; only this machine reaches it, by a token.

    They are copies under the home, to be changed and saved at will; when k1nb brings a newer notebook, a copy that was
    changed is put aside under another name.
    """
    from k1nb.config import environment
    from k1nb.records import find_notebook, lay_out, show_records

    settings = _output.settings(logs=False)
    opened = find_notebook(notebook).name if notebook else ""
    desk = lay_out(settings.paths)
    show_records(settings)
    for kept in desk.kept:
        _output.note(f"there is a newer notebook; yours is kept as {kept}")
    words = [
        *(sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"),
        *(f"--ServerApp.root_dir={desk.folder}", f"--LabApp.default_url=/lab/tree/{opened}".rstrip("/")),
        *(() if browser else ("--no-browser",)),
        *(("--allow-root",) if os.geteuid() == 0 else ()),
    ]
    sys.stderr.flush()
    os.execve(sys.executable, words, environment(settings, K1NB_RUN=""))  # noqa: S606 - a list of words, no shell
