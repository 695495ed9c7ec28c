from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from k1nb.config import Settings
from k1nb.errors import PortTaken, ServiceError
from k1nb.stack._processes import end_left_over, holder, left_over, listens, require_free
from k1nb.stack._services import Endpoint, Service
from k1nb.stack._supervisor import Supervisor

FreePort = Callable[[], int]


def service(*endpoints: Endpoint) -> Service:
    """Describe a service with these endpoints."""
    return Service(name="one", command=("/bin/true",), folder=Path("/"), endpoints=endpoints)


def test_free_ports_are_free(free_port: FreePort) -> None:
    """A port that nobody holds is no reason to refuse a start."""
    require_free(service(Endpoint("127.0.0.1", free_port(), "-"), Endpoint("127.0.0.1", free_port(), "-", "udp")))


def test_a_held_udp_port_is_named() -> None:
    """The port of the invitation counts as much as one that listens."""
    with socket.socket(type=socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        endpoint = Endpoint("127.0.0.1", held.getsockname()[1], "move it", "udp")
        with pytest.raises(PortTaken, match=rf"udp port .* \(pid {os.getpid()}\)"):
            require_free(service(endpoint))


def test_a_port_held_on_all_interfaces_is_taken() -> None:
    """A server that listens everywhere holds the port on loopback, too."""
    with socket.create_server(("0.0.0.0", 0)) as held:
        endpoint = Endpoint("127.0.0.1", held.getsockname()[1], "move it")
        assert f"(pid {os.getpid()})" in holder(endpoint)
        with pytest.raises(PortTaken):
            require_free(service(endpoint))


def test_an_address_that_is_not_this_machines_is_refused(free_port: FreePort) -> None:
    """Listening there can't succeed."""
    with pytest.raises(ServiceError, match=r"cannot listen on 192\.0\.2\.7"):
        require_free(service(Endpoint("192.0.2.7", free_port(), "-")))


def test_listening_is_seen(free_port: FreePort) -> None:
    """Whether somebody accepts connections is told either way."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert listens(Endpoint("127.0.0.1", server.getsockname()[1], "-"), 1)
    assert not listens(Endpoint("127.0.0.1", free_port(), "-"), 1)


def test_nothing_is_left_over_where_nothing_ran(settings: Settings) -> None:
    """A fresh home has no processes, and ending them ends none."""
    supervisor = Supervisor(settings.paths, settings.timings)
    assert left_over(supervisor) == []
    assert end_left_over(supervisor, settings.timings) == []


def test_the_caller_is_never_left_over(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command started by one of our services doesn't end itself."""
    supervisor = Supervisor(settings.paths, settings.timings)
    monkeypatch.setenv("SUPERVISOR_SERVER_URL", supervisor.url)
    assert left_over(supervisor) == []
