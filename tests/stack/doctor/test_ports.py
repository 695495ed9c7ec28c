"""Ports: facts in, checks out."""

from __future__ import annotations

import pytest

from k1nb.checks import Status
from k1nb.stack._services import Endpoint
from k1nb.stack.doctor._ports import Holder, Port, port_checks

WEB = Endpoint("127.0.0.1", 8080, "set CONDUCTOR_SERVER_URL to another port")


@pytest.mark.parametrize(
    ("port", "status", "said"),
    [
        (Port("conductor", WEB), Status.OK, "free"),
        (Port("conductor", WEB, Holder("java", 7, "conductor")), Status.OK, "held by conductor itself (pid 7)"),
        (Port("conductor", WEB, Holder("nginx", 9)), Status.FAIL, "held by nginx (pid 9)"),
        (Port("conductor", WEB, Holder("python", 8, "simulator")), Status.FAIL, "held by our own simulator, python"),
        (Port("conductor", WEB, Holder("a program of another user")), Status.FAIL, "another user"),
        (Port("conductor", WEB, refused="Permission denied"), Status.FAIL, "Permission denied"),
    ],
)
def test_a_port_is_free_ours_or_a_stranger_s(port: Port, status: Status, said: str) -> None:
    """Whoever holds a port is named, and the hint says how to get out of his way."""
    (check,) = port_checks([port])
    assert check.status is status
    assert said in check.evidence
    assert (check.hint is None) is (status is Status.OK)
    if status is Status.FAIL:
        assert "CONDUCTOR_SERVER_URL" in str(check.hint)


def test_a_port_that_two_want_fails() -> None:
    """Two services that are given the same port cannot both run; the same number for TCP and UDP is two ports."""
    again = Endpoint("127.0.0.1", 8080, "give the simulated device other ports")
    other = Endpoint("127.0.0.1", 8080, "give the simulated device other ports", "udp")
    checks = port_checks([Port("conductor", WEB), Port("simulator", again), Port("simulator", other)])
    (double,) = [check for check in checks if check.status is Status.FAIL]
    assert double.name == "port tcp 127.0.0.1:8080: wanted once"
    assert "conductor, simulator" in double.evidence
