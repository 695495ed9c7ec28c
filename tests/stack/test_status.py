from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from k1nb.checks import Check, Status
from k1nb.config import Settings
from k1nb.errors import ServiceError
from k1nb.stack import ServiceStatus, checks, status
from k1nb.stack._services import Service
from tests.stack.conftest import SmallStack, await_true, suspended

Listener = Callable[..., Service]


def of(settings: Settings, name: str) -> ServiceStatus:
    """Return one service's status."""
    return next(seen for seen in status(settings) if seen.name == name)


def check_of(settings: Settings, name: str) -> Check:
    """Return one service's check."""
    return next(check for check in checks(settings) if check.name == f"service {name}: runs")


def test_without_a_stack_everything_is_absent(settings: Settings) -> None:
    """Looking needs nothing that runs, and changes nothing."""
    seen = status(settings)
    assert [s.name for s in seen] == ["conductor", "exporter", "workers"]
    assert {(s.state, s.pid) for s in seen} == {("absent", None)}
    assert seen[0].address == settings.conductor_server_url
    assert not settings.paths.stack.exists()


def test_a_running_service_is_shown_with_pid_and_start(small: SmallStack, listener: Listener) -> None:
    """Its process and since when it runs are known; as data it is JSON-able."""
    small.up(listener("workers", port=small.settings.metrics_port))
    seen = of(small.settings, "workers")
    assert (seen.state, seen.pid) == ("running", small.pid("workers"))
    assert seen.since
    assert datetime.now(UTC) - seen.since < timedelta(minutes=1)
    assert seen.as_dict()["since"] == seen.since.isoformat(timespec="seconds")
    check = check_of(small.settings, "workers")
    assert (check.status, check.hint) == (Status.OK, None)
    assert f"pid {seen.pid}" in check.evidence


def test_a_server_that_does_not_listen_yet_is_starting(small: SmallStack, listener: Listener) -> None:
    """A process alone doesn't make a server."""
    small.up(listener("conductor"))  # its own port, not the one of the settings
    seen = of(small.settings, "conductor")
    assert seen.state == "starting"
    assert seen.detail == f"does not listen on 127.0.0.1:{small.settings.conductor_port}"
    assert check_of(small.settings, "conductor").status is Status.WARN


def test_a_service_stopped_on_purpose_fails_its_check(small: SmallStack, listener: Listener) -> None:
    """The check names the service and the command that starts it, also when all of the stack is down."""
    small.up(listener("conductor"), listener("workers"))
    small.down("workers")
    for _ in range(2):
        seen = of(small.settings, "workers")
        assert (seen.state, seen.on_purpose, seen.pid) == ("stopped", True, None)
        check = check_of(small.settings, "workers")
        assert (check.status, check.hint) == (Status.FAIL, "`k1nb up workers`")
        small.down()


def test_a_service_that_failed_says_why(small: SmallStack, listener: Listener) -> None:
    """Why its start failed is still known afterwards."""
    with pytest.raises(ServiceError):
        small.up(listener("workers", extra="sys.exit(3)"))
    seen = of(small.settings, "workers")
    assert seen.state == "failed"
    assert "ended right after its start" in seen.detail
    assert check_of(small.settings, "workers").hint == "`k1nb logs workers`, then `k1nb up workers`"


def test_a_service_that_nobody_keeps_is_failed(small: SmallStack, listener: Listener) -> None:
    """Without supervisord nobody would restart it, so running is not enough."""
    small.up(listener("workers"))
    pid = small.pid("workers")
    os.kill(small.supervisor.pid(), signal.SIGKILL)
    await_true(lambda: not small.supervisor.answers())
    seen = of(small.settings, "workers")
    assert (seen.state, seen.pid) == ("failed", pid)
    assert "nobody restarts it" in seen.detail


def test_a_missing_simulator_is_not_counted(settings: Settings) -> None:
    """Where no device is simulated, that is listed with its reason."""
    check = check_of(settings, "simulator")
    assert check.status is Status.NOT_CONFIGURED


def test_a_service_that_was_suspended_is_failed(small: SmallStack, listener: Listener) -> None:
    """A process stopped by SIGSTOP lives and accepts connections, but does nothing: failed, with both ways out."""
    small.up(listener("conductor", port=small.settings.conductor_port))
    pid = small.pid("conductor")
    with suspended(pid):
        seen = of(small.settings, "conductor")
        assert (seen.state, seen.pid, seen.hung) == ("failed", pid, True)
        assert "stopped by a signal" in seen.detail
        hint = str(check_of(small.settings, "conductor").hint)
        assert "`k1nb down conductor`" in hint
        assert f"kill -CONT {pid}" in hint
    await_true(lambda: of(small.settings, "conductor").state == "running")
