"""The tree of commands; each command's library is imported only when it runs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn, TextIO

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from k1nb.cli import (
    _approvals,
    _artifacts,
    _consent,
    _definitions,
    _deploy,
    _device,
    _doctor,
    _executions,
    _lab,
    _output,
    _patterns,
    _records,
    _rollback,
    _rollout,
    _schedule,
    _stack,
    _webapp,
)
from k1nb.errors import K1Error, Stopped


class _NoReader(Exception):
    """Nobody reads any more what is printed; not an OSError, of which typer makes the exit code 1."""


@contextmanager
def _as_no_reader() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _NoReader from error


class _Root(TyperGroup):
    """The root of all commands, which says that a reader has gone in a way that is not taken for a failure."""

    def make_context(self, *words: Any, **more: Any) -> Any:
        """Read the command line, and print the help that it asks for."""
        with _as_no_reader():
            return super().make_context(*words, **more)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _as_no_reader():
            return super().invoke(ctx)


def _new(help_text: str) -> typer.Typer:
    return typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode=None)


app = typer.Typer(
    cls=_Root,
    help="Operations workbook for the K1 firmware line.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from k1nb import __version__

        _output.say(f"k1nb {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Operations workbook for the K1 firmware line."""


@app.command()
def demo() -> None:
    """Walk the whole line: server, a firmware commit, its delivery over the air, a daily-health record."""
    from k1nb.demo import run

    sys.exit(0 if run(_output.settings(), _output.console()) else 1)


_stack.register(app)
_doctor.register(app)
_deploy.register(app)
_rollback.register(app)
app.add_typer(_rollout.group(_new("Rollouts of an artifact to the fleet, wave by wave.")), name="rollout")
app.add_typer(_definitions.group(_new("Workflow and task definitions.")), name="definitions")
app.add_typer(_executions.group(_new("Workflow executions.")), name="executions")
_records.register(app)
_lab.register(app)
app.add_typer(_records.group(_new("Records of concluded and interrupted runs.")), name="records")
app.add_typer(_schedule.group(_new("Notebooks that run by the clock.")), name="schedule")
app.add_typer(_artifacts.group(_new("Stored firmware images.")), name="artifacts")
app.add_typer(_patterns.group(_new("Reports of pattern tests, and baselines.")), name="patterns")
app.add_typer(_approvals.group(_new("Executions that wait for a person's approval.")), name="approvals")
app.add_typer(_webapp.group(_new("Releases of the web app.")), name="webapp")
app.add_typer(_device.group(_new("Devices of the inventory, and simulated ones.")), name="device")


def _fail_usage(error: TyperException) -> NoReturn:
    """End as after an error of ours, or with the help that was asked for by giving no words at all."""
    text, context = error.format_message(), getattr(error, "ctx", None)
    if text.startswith("Usage:"):
        _output.note(text)
        sys.exit(error.exit_code)
    command = context.command_path if context else "k1nb"
    _output.fail(" ".join(text.split()), f"{command} --help", error.exit_code)


def main() -> None:
    """Run the command line; every error of ours ends as one line with its hint.

    Where the reader of its output has gone it ends as one whom SIGPIPE has ended.
    """
    if sys.stdout is None:  # it was closed by whoever started us
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - open to the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - likewise
    try:
        _run()
    except (_NoReader, BrokenPipeError):
        _drop_output(sys.stdout, sys.stderr)
        sys.exit(128 + signal.SIGPIPE)


def _run() -> NoReturn:
    try:
        _consent.refuse_empty(sys.argv[1:])
        sys.exit(app(prog_name="k1nb", standalone_mode=False))
    except TyperException as error:
        _fail_usage(error)
    except K1Error as error:
        _output.fail(error.message, error.hint, error.exit_code)
    except Stopped as stopped:
        _output.fail(stopped.message, stopped.hint, stopped.exit_code)
    except KeyboardInterrupt:
        _output.fail("interrupted", None, 130)
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None:
            raise
        _drop_output(sys.stdout)
        _output.fail(f"the output cannot be written: {error.strerror}", "look where it is sent to", 1)


def _drop_output(*streams: TextIO) -> None:
    """Have what is still buffered go nowhere, or Python complains of it at its end."""
    for stream in streams:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
