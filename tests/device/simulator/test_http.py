"""Tests of the simulated device's web server: limits, error shapes, matching."""

from __future__ import annotations

import socket
import time

import pytest

from k1nb.device.simulator._http import match
from tests.device.conftest import Running


def test_every_answer_closes_its_connection_and_allows_every_origin(simulator: Running) -> None:
    """API answers carry Connection: close and the CORS headers, and no header that the device does not send."""
    headers = simulator.get("/api/health").headers
    assert headers["connection"] == "close"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-methods"] == "GET,POST,OPTIONS"
    assert headers["content-type"] == "application/json"
    assert not {"server", "date"} & set(headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/v1/health"), ("GET", "/api/select"), ("HEAD", "/api/health"), ("POST", "/api/pattern/activate")],
)
def test_unknown_paths_and_wrong_methods_are_not_found(shared: Running, method: str, path: str) -> None:
    """Path and method must both fit; otherwise 404 with the short body and CORS headers."""
    answer = shared.request(method, path)
    assert answer.status_code == 404
    assert method == "HEAD" or answer.json() == {"error": "Not found"}
    assert "access-control-allow-origin" in answer.headers


def test_options_is_answered_everywhere(shared: Running) -> None:
    """OPTIONS on any path, even an unknown one, is 204."""
    assert shared.request("OPTIONS", "/anything/at/all").status_code == 204


def test_a_window_refuses_with_what_is_left_of_it(simulator: Running) -> None:
    """The second call within a window is 429, with the window and the milliseconds left, and is counted."""
    simulator.get("/api/device/info")
    refused = simulator.get("/api/device/info")
    assert refused.status_code == 429
    assert refused.headers["X-RateLimit-Window"] == "1000"
    assert 0 < int(refused.headers["X-RateLimit-NextAllowedMs"]) <= 1000
    assert "Retry-After" not in refused.headers
    body = refused.json()
    assert (body["error"], body["status"]) == ("rate_limited", 429)
    assert set(body) == {"error", "message", "timestamp", "status"}
    assert simulator.state()["refused_429"] == 1


def test_a_refused_call_does_not_start_the_window_anew(simulator: Running) -> None:
    """After the time that a refusal names, the next call is taken, however often it was refused meanwhile."""
    simulator.get("/api/device/performance")
    for _ in range(5):
        refused = simulator.get("/api/device/performance")
    time.sleep(int(refused.headers["X-RateLimit-NextAllowedMs"]) / 1000)
    assert simulator.get("/api/device/performance").status_code == 200


def test_an_alias_has_a_window_of_its_own(simulator: Running) -> None:
    """/api/device/info and /api/device-info may be called right after each other."""
    assert simulator.get("/api/device/info").status_code == 200
    assert simulator.get("/api/device-info").status_code == 200


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", "application/json"), (b'{"speed":1}', "application/x-www-form-urlencoded"), (b"{}", None)],
)
def test_a_body_that_is_empty_or_no_json_is_not_handled(shared: Running, content: bytes, kind: str | None) -> None:
    """An empty body, or one of another content type, never reaches the handler: 501 as plain text."""
    answer = shared.post("/api/params", content=content, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 501
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == "Handler did not handle the request"


def test_a_body_that_is_too_large_is_refused(shared: Running) -> None:
    """More than 65,536 bytes are 413 with the limit."""
    answer = shared.post("/api/params", content=b" " * 65_537, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json() == {"error": "payload_too_large", "max_size": 65_536}


@pytest.mark.parametrize(
    "content", [b"{", b"[" * 5000, b'{"a":' + b'"' + b"x" * 1024 + b'"}', b'{"speed":1,}'], ids=len
)
def test_what_cannot_be_parsed_is_invalid_json(simulator: Running, content: bytes) -> None:
    """Broken JSON, and JSON larger than the device's document memory, are 400 invalid_json."""
    answer = simulator.post("/api/params", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/params", "/api/params"),
        ("/api/params/bounds", "/api/params"),
        ("/api/pattern/current/x", "/api/pattern/current"),
        ("/k1nb/simulator/state", "/k1nb/simulator/state"),
        ("/api/paramsbounds", None),
        ("/api", None),
    ],
)
def test_the_first_route_that_matches_wins(path: str, route: str | None) -> None:
    """A route also answers every path below its own, but none that only begins with the same letters."""
    found = match("GET", path)
    assert (found[0].path if found else None) == route


def test_nonsense_on_the_wire_does_not_stop_it(shared: Running) -> None:
    """Bytes that are no HTTP cost one connection, not the server."""
    with socket.create_connection((shared.device.address, shared.device.http_port)) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        connection.recv(100)
    assert shared.get("/api/health").status_code == 200
