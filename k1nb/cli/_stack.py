"""Commands for the services of the target."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from k1nb.cli import _complete, _output, _progress
from k1nb.cli._output import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from k1nb.stack import ServiceStatus

_NAMES = "conductor, simulator, exporter, workers"
Services = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SERVICE]...", help="conductor, simulator, exporter, workers", autocompletion=_complete.services
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    for command in (up, down, status, logs, workers, exporter):
        app.command()(command)


def up(services: Services = None, json: Json = False) -> None:
    """Start the services of the target and wait until they are ready for work."""
    from k1nb import stack

    with _progress.service_lines() as said:
        found = stack.up(_output.settings(), services or (), said)
    _report(found, json=json)


def down(services: Services = None, json: Json = False) -> None:
    """Stop services, all if none is named; running tasks finish first."""
    from k1nb import stack

    with _progress.service_lines() as said:
        found = stack.down(_output.settings(), services or (), said)
    _report(found, json=json)


def status(json: Json = False) -> None:
    """Show the services; exit code 1 unless all of them run."""
    from k1nb import stack

    found = stack.status(_output.settings(logs=False))
    _report(found, json=json)
    if any(s.state != "running" for s in found):
        sys.exit(1)


def logs(
    service: Annotated[
        str,
        typer.Argument(help="conductor, simulator, exporter, workers, or supervisord", autocompletion=_complete.logs),
    ],
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
) -> None:
    """Print a service's log."""
    from k1nb import stack

    silent = True
    for line in stack.logs(_output.settings(), service, lines=lines, follow=follow):
        _output.say(line)
        silent = False
    if silent:
        _output.note(f"{service} has said nothing yet")


def workers(
    domain: Annotated[
        str | None, typer.Option("--domain", help="Serve the tasks of this domain (a site), and no others.")
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start again when k1nb's code changes; to develop.")] = False,
) -> None:
    """Run the task workers in the foreground; SIGTERM or Ctrl-C lets running tasks finish."""
    import asyncio

    settings = _output.service_settings("workers")
    _output.refuse_secrets(settings, {"--domain": domain})
    if reload:
        from k1nb.workers import serve_reloading

        sys.exit(serve_reloading(settings, domain=domain))
    from k1nb.workers import serve

    sys.exit(asyncio.run(serve(settings, domain=domain)))


def exporter() -> None:
    """Serve the metrics of devices and Conductor in the foreground, on the loopback, until SIGTERM or Ctrl-C.

    /metrics is for Prometheus, /health tells whether the exporter does its own work. The port is K1NB_EXPORTER_PORT.
    """
    import asyncio

    from k1nb.exporter import serve

    sys.exit(asyncio.run(serve(_output.service_settings("exporter"))))


def _report(found: Sequence[ServiceStatus], *, json: bool) -> None:
    if json:
        _output.data([service.as_dict() for service in found])
        return
    from k1nb import show

    show.print_services(_output.console(), found)
