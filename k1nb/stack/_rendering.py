"""What supervisord reads: one main file, and one file per service beside it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from k1nb.errors import SettingError
from k1nb.stack._services import Service

_MAIN = """\
; Written by k1nb; changes are overwritten at the next `k1nb up`.
[unix_http_server]
file = {socket}
chmod = 0700

[supervisord]
logfile = {logs}/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 2
pidfile = {pidfile}
umask = 077

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[include]
files = services/*.conf
"""

_PROGRAM = """\
; Written by k1nb; changes are overwritten at the next `k1nb up`.
[program:{name}]
command = {command}
directory = {folder}
environment = {environment}
autostart = false
autorestart = true
startsecs = {settle}
; each try waits a second longer than the one before: some minutes of a service that is killed again and again
startretries = 20
stopsignal = TERM
stopwaitsecs = {stop_within}
; a service ends its own children on SIGTERM; what outlives it is killed
stopasgroup = false
killasgroup = true
redirect_stderr = true
stdout_logfile = {log}
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
"""

_NOT_TO_BE_HELD = ("\n", "\r", " ;", " #", "\t;", "\t#", "%(here)s")
"""What ends a value, starts a comment, or is replaced in whatever quotes."""


def render_main(*, socket: Path, pidfile: Path, logs: Path) -> str:
    """Return the main configuration file."""
    return _MAIN.format(socket=_plain(socket), pidfile=_plain(pidfile), logs=_plain(logs))


def render_service(service: Service, log: Path) -> str:
    """Return the configuration of one service; raises SettingError for a text that the format cannot hold."""
    return _PROGRAM.format(
        name=service.name,
        command=_plain(shlex.join(service.command)),
        folder=_plain(service.folder),
        environment=_environment(service.environment),
        settle=max(1, round(service.settle)),
        stop_within=max(1, round(service.stop_within)),
        log=_plain(log),
    )


def _environment(variables: Mapping[str, str]) -> str:
    return ",".join(f"{name}={_quoted(value)}" for name, value in sorted(variables.items()))


def _quoted(value: str) -> str:
    """Quote a value for supervisor's list of variables, which knows quotes but no escapes."""
    if value == value.strip("\"'"):  # supervisor strips them after it has unquoted the value
        for quote in '"', "'":
            if quote not in value:
                return quote + _plain(value) + quote
    raise _unwritable(value)


def _plain(value: str | Path) -> str:
    """Return the text as a configuration file may hold it: `%` doubled, nothing that starts a comment."""
    text = str(value)
    if any(mark in text for mark in _NOT_TO_BE_HELD):
        raise _unwritable(text)
    return text.replace("%", "%%")


def _unwritable(text: str) -> SettingError:
    return SettingError(
        f"{text!r} cannot be handed to a service: no line breaks, comment signs after a blank, or both kinds of quotes",
        hint="choose another path or value",
    )
