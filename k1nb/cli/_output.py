"""What every command shares: settings, output, logs and errors."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from k1nb._plain import json_without_control, without_control
from k1nb.cli import _complete
from k1nb.errors import K1Error, ParameterError

if TYPE_CHECKING:
    from rich.console import Console

    from k1nb.config import Settings

PIPED_WIDTH = 240
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        "-p",
        metavar="NAME=VALUE",
        help="Value of a parameter, as text.",
        autocompletion=_complete.parameters,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


def settings(*, logs: bool = True) -> Settings:
    """Read the settings and set up logging on stderr at their level; a command that logs nothing starts faster."""
    from k1nb.config import load

    found = load()
    if logs:
        _logging(found)
    return found


def service_settings(name: str) -> Settings:
    """Read the settings for a long-running service, which goes on when nobody reads what it says any more."""
    from k1nb.config import load
    from k1nb.stack import outlive_reader

    found = load()
    outlive_reader(found, name)
    sys.excepthook = lambda *error: note(
        found.redact(without_control("".join(traceback.format_exception(*error)))).rstrip()
    )
    _logging(found)
    return found


def _logging(found: Settings) -> None:
    import structlog

    redact = found.redact

    def clean(text: str) -> str:
        return redact(without_control(text))

    def mask(_: Any, __: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
        return {key: clean(value) if isinstance(value, str) else value for key, value in event.items()}

    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask,  # after the tracebacks have become text
            structlog.dev.ConsoleRenderer(colors=True)
            if colour
            else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[found.log_level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def console(*, stderr: bool = False) -> Console:
    """Return a console on stdout; it honours NO_COLOR, knows whether it is a terminal, and obeys no text of others."""
    from k1nb.cli._console import PlainConsole

    stream = sys.stderr if stderr else sys.stdout
    # A pipe has no width of its own; a folded address would be none.
    return PlainConsole(stderr=stderr, highlight=False, width=None if stream.isatty() else PIPED_WIDTH)


def data(value: Any) -> None:
    """Print JSON on stdout."""
    typer.echo(json_without_control(json.dumps(value, indent=2, default=str, ensure_ascii=False)))


def line(value: Any) -> None:
    """Print JSON on one line of stdout, at once, for who reads along."""
    typer.echo(json_without_control(json.dumps(value, default=str, ensure_ascii=False)))
    sys.stdout.flush()


def say(text: str) -> None:
    """Print one line on stdout, without control characters."""
    typer.echo(without_control(text))


def note(text: str) -> None:
    """Print one line on stderr, without control characters."""
    typer.echo(without_control(text), err=True)


def fail(message: str, hint: str | None, code: int) -> NoReturn:
    """End with an error line, its hint and an exit code; secrets are masked, for a service's stderr is its log."""
    text = f"error: {message}\nhint: {hint}" if hint else f"error: {message}"
    note(_masked(without_control(text)))
    sys.exit(code)


def _masked(text: str) -> str:
    """Mask the secrets in a text, as far as the settings were read and can be."""
    if "k1nb.config" not in sys.modules:
        return text
    from k1nb.config import load

    try:
        return load().redact(text)
    except K1Error:
        return text


@contextmanager
def progress(description: str) -> Iterator[Any]:
    """Yield a function `(done, total)` that moves a bar on stderr; silent when stderr is not a terminal."""
    from rich.progress import Progress

    with Progress(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def pairs(words: list[str] | None, *, example: str) -> dict[str, str]:
    """Split NAME=VALUE words; raises ParameterError for what is none, with `example` as the hint, or given twice."""
    found = {}
    for word in words or ():
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise ParameterError(f"{word!r} is no NAME=VALUE", hint=f"for example {example}")
        if name in found:
            raise ParameterError(f"{name} is given twice", hint="give it once: only one value can be meant")
        found[name] = value
    return found


def refuse_secrets(found: Settings, words: Mapping[str, Any]) -> None:
    """Raise ParameterError for the first of some words for the server, by what they are, that hold a secret."""
    redact = found.redact
    for name, word in words.items():
        if redact.found(f"{name} {word}"):
            raise ParameterError(
                f"{redact(name)} holds a secret, and the server keeps and shows what it is given",
                hint="say it without: what needs a secret takes it from the settings of its own host",
            )


def inputs(words: list[str] | None) -> dict[str, Any]:
    """Read a workflow's input from NAME=VALUE words: text, but for JSON's true, false and null."""
    literals: dict[str, Any] = {"true": True, "false": False, "null": None}
    return {name: literals.get(value, value) for name, value in pairs(words, example="-i repo=K1.node1").items()}
