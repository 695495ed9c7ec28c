"""The whole look: every question of the doctor, asked of this machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import psutil

from k1nb import __version__
from k1nb.checks import Check, Status
from k1nb.config import Settings, load, origins
from k1nb.errors import K1Error, SettingError
from k1nb.stack import _status
from k1nb.stack._services import CONDUCTOR, require_loopback
from k1nb.stack._status import ServiceStatus
from k1nb.stack.doctor import _facts, _host
from k1nb.stack.doctor._host import Clocks
from k1nb.stack.doctor._installation import (
    inventory_checks,
    jar_check,
    permission_checks,
    project_checks,
    settings_checks,
    start_up_check,
)
from k1nb.stack.doctor._left_over import left_over_checks
from k1nb.stack.doctor._places import place_checks
from k1nb.stack.doctor._ports import port_checks

_GIT = 5.0
"""Seconds that git may take to tell its version."""
Question = Callable[[Settings], list[Check]]


def examine(settings: Settings | None = None) -> list[Check]:
    """Return a check for everything that k1nb needs of this machine and this installation; changes nothing.

    Without settings they are read here, and what is wrong with them is a check as well. What cannot be looked at is
    UNKNOWN; nothing is raised for it. Takes about a second.
    """
    first = _facts.clocks()
    try:
        known = settings or load()
    except SettingError as error:
        return [*settings_checks({}, refused=error), *_programs(), _clock(first), _unasked()]
    answers = [*_programs(), *(check for name, ask in _QUESTIONS.items() for check in _asked(name, ask, known))]
    return [*answers, _clock(first)]


def _unasked() -> Check:
    reason = "not asked: the settings are refused, and everything else depends on them"
    return Check("installation: sane", Status.UNKNOWN, reason, "correct the settings, then look again")


def _asked(name: str, ask: Question, settings: Settings) -> list[Check]:
    try:
        return ask(settings)
    except (K1Error, OSError, psutil.Error) as error:
        hint = (error.hint if isinstance(error, K1Error) else None) or "mend that, then look again"
        what = error.message if isinstance(error, K1Error) else str(error)
        return [Check(f"{name}: looked at", Status.UNKNOWN, f"it could not be looked at: {what}", hint)]


def _programs() -> list[Check]:
    version, prefix = _facts.python()
    wanted = _facts.requirements()
    return [
        _host.python_check(version, _facts.python_wanted(), prefix),
        *_host.package_checks(wanted, _facts.installed(wanted), k1nb=__version__),
        _host.git_check(_facts.git(_GIT)),
        _host.npm_check(shutil.which("npm")),
    ]


def _clock(first: Clocks) -> Check:
    return _host.clock_check(first, _facts.clocks(), _facts.installed_at(), _facts.zone())


def _server(settings: Settings) -> list[Check]:
    java = _facts.java(settings)
    files = [jar_check(_facts.jar(settings)), start_up_check(_facts.start_up(settings, java))]
    return [_host.java_check(java, settings.java), *files]


def _memory(settings: Settings) -> list[Check]:
    available, total = _facts.memory()
    runs = any(seen.name == CONDUCTOR and seen.pid for seen in _status.status(settings))
    return [_host.memory_check(available, total, settings.server_heap_mb, server_runs=runs)]


def _settings(settings: Settings) -> list[Check]:
    try:
        require_loopback(settings)
    except SettingError as error:
        return [*settings_checks({}, refused=error), *permission_checks(_facts.kept(settings))]
    return [*settings_checks(origins(settings)), *permission_checks(_facts.kept(settings))]


def _places(settings: Settings) -> list[Check]:
    return [check for place in _facts.places(settings) for check in place_checks(place)]


def _ports(settings: Settings) -> list[Check]:
    return port_checks(_facts.ports(settings))


def _inventory(settings: Settings) -> list[Check]:
    devices, file = _facts.inventory(settings)
    return inventory_checks(devices, file, _facts.default(settings))


def _projects(settings: Settings) -> list[Check]:
    return project_checks(_facts.projects(settings))


def _left_over(settings: Settings) -> list[Check]:
    return left_over_checks(_facts.left(settings))


def _services(settings: Settings) -> list[Check]:
    return [_service(seen) for seen in _status.status(settings)]


def _service(seen: ServiceStatus) -> Check:
    """Judge a service: what was never started, or was stopped on purpose, is nothing wrong with this machine."""
    if seen.state not in ("absent", "stopped"):
        return _status.check(seen)
    why = "stopped on purpose" if seen.on_purpose else "not started yet"
    return Check(f"service {seen.name}: runs", Status.NOT_CONFIGURED, why, f"`k1nb up {seen.name}`", "supervisord")


_QUESTIONS: dict[str, Question] = {
    "settings": _settings,
    "server": _server,
    "memory": _memory,
    "folders": _places,
    "ports": _ports,
    "inventory": _inventory,
    "projects": _projects,
    "left over": _left_over,
    "services": _services,
}
