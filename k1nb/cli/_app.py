"""The tree of commands; each command's library is imported only when it runs."""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from k1nb.cli import (
    _approvals,
    _artifacts,
    _definitions,
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


def _new(help_text: str) -> typer.Typer:
    return typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode=None)


app = typer.Typer(
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
    """Run the command line; every error of ours ends as one line with its hint."""
    if sys.stdout is None:  # it was closed by whoever started us
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - open to the end
    try:
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
        # The reader of our output has gone; there is nobody left to tell.
        _drop_output()
        sys.exit(1)
    except OSError as error:
        if error.filename is not None:
            raise
        _drop_output()
        _output.fail(f"the output cannot be written: {error.strerror}", "look where it is sent to", 1)


def _drop_output() -> None:
    """Have what is still buffered go nowhere, or Python complains of it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
