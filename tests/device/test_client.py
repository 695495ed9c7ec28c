"""Tests of the HTTP client: against the simulator, and against something that answers as no K1 does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from k1nb.device import Device, DeviceClient
from k1nb.device._client import MAX_ANSWER
from k1nb.errors import DeviceNonsense, DeviceRefused, DeviceUnreachable, UsageError
from k1nb.paths import Paths
from tests.device._witness import http, witness
from tests.device.conftest import QUICK, Running

HASTY = replace(QUICK, device_request=0.3, device_retry=0.01)
REFUSAL = b'{"error":"rate_limited","message":"Too many requests","timestamp":1,"status":429}'

Ask = Callable[[DeviceClient], Awaitable[Any]]


def ask(device: Device, question: Ask) -> Any:
    """Ask one device one thing."""

    async def asked(paths: Paths) -> Any:
        async with DeviceClient(device, paths, HASTY) as client:
            return await question(client)

    with TemporaryDirectory() as home:  # and windows of its own, where no call was made yet
        return asyncio.run(asked(Paths(Path(home), Path(home), Path(home))))


def test_every_typed_answer_is_read(simulator: Running) -> None:
    """Health, info, performance, patterns and the current pattern come as values with names."""

    async def all_of_them(client: DeviceClient) -> None:
        assert (await client.health()).status == "ok"
        info = await client.info()
        assert (info.mac, info.stamp, info.framework) == (simulator.device.mac, None, "arduino@3.20017.241212")
        performance = await client.performance()
        assert len(performance.fps_history) == 16
        assert performance.frame_time_us > performance.render_avg_us > 0
        frames = (await client.frame_metrics()).frames
        assert {frame.heap_free for frame in frames} <= {performance.memory_free_kb * 1024}
        assert (await client.latency_probe()).last_latency_ms > 0
        assert (await client.rmt()).wait_timeouts == (await client.audio_snapshot()).tempo_confidence == 0
        patterns = await client.patterns()
        current = await client.current_pattern()
        assert patterns.patterns[patterns.current_pattern].id == current.id == "prism"
        assert current.audio_reactive

    ask(simulator.device, all_of_them)


def test_settings_are_written_and_read(simulator: Running) -> None:
    """What can be set is set, and each answer is the device's."""

    async def all_of_them(client: DeviceClient) -> None:
        assert (await client.select("lava")).id == "lava"
        assert (await client.set_params({"speed": 0.25, "mirror_mode": False}))["mirror_mode"] is False
        assert (await client.params())["speed"] == 0.25
        assert (await client.backup())["parameters"]["speed"] == 0.25
        await client.set_audio_config({"microphone_gain": 1.5})
        assert (await client.audio_config())["microphone_gain"] == 1.5
        await client.set_transitions_config({"enabled": False, "default_type": "wipe"})
        assert (await client.transitions_config())["default_type"] == "wipe"

    ask(simulator.device, all_of_them)
    assert simulator.state()["refused_429"] == 0


def test_one_client_never_runs_into_a_window(simulator: Running) -> None:
    """Calls of one client are spaced so that the device refuses none of them."""

    async def often(client: DeviceClient) -> None:
        await asyncio.gather(*(client.health() for _ in range(5)))

    ask(simulator.device, often)
    assert simulator.state()["refused_429"] == 0


def test_clients_of_one_home_share_their_windows(simulator: Running) -> None:
    """Two clients are as careful as one."""

    async def both() -> None:
        async with (
            DeviceClient(simulator.device, simulator.paths, QUICK) as first,
            DeviceClient(simulator.device, simulator.paths, QUICK) as second,
        ):
            await asyncio.gather(first.health(), second.health(), first.health())

    asyncio.run(both())
    assert simulator.state()["refused_429"] == 0


def test_a_refused_call_is_repeated_when_the_device_allows(simulator: Running) -> None:
    """Another client's call within the window costs a wait, not an error."""
    simulator.get("/api/device/performance")
    assert ask(simulator.device, lambda client: client.performance()).fps > 0
    assert simulator.state()["refused_429"] == 1


def test_a_device_that_always_refuses_is_asked_three_times() -> None:
    """After three tries the refusal is an error with the device's words."""
    with witness() as watched:
        watched.answer = http(REFUSAL, "429 Too Many Requests", X_RateLimit_NextAllowedMs=10)
        with pytest.raises(DeviceRefused, match="Too many requests") as caught:
            ask(watched.device(), lambda client: client.health())
    assert caught.value.status == 429
    assert caught.value.hint
    assert len(watched.heard) == 3


@pytest.mark.parametrize("left", ["1e9", "-5", "nan", "soon"])
def test_a_wait_that_makes_no_sense_is_bounded(left: str) -> None:
    """However long a device wants to be left alone, the client waits a second at most for this route."""
    with witness() as watched:
        watched.first = [http(REFUSAL, "429 Too Many Requests", X_RateLimit_NextAllowedMs=left)]
        watched.answer = http(b'{"brightness": 1.0}')
        started = time.monotonic()
        ask(watched.device(), lambda client: client.params())
    assert time.monotonic() - started < 5


def test_a_lost_connection_is_tried_again() -> None:
    """Two connections that end without an answer are followed by a third try."""
    with witness() as watched:
        watched.first = [b"", b""]
        watched.answer = http(b'{"brightness": 1.0}')
        assert ask(watched.device(), lambda client: client.params()) == {"brightness": 1.0}
    assert len(watched.heard) == 3


def test_a_device_that_is_not_there_is_unreachable(demo: Device) -> None:
    """After three tries without an answer the error names the device, the route and what to do."""
    with pytest.raises(DeviceUnreachable, match="GET /api/health") as caught:
        ask(demo, lambda client: client.health())
    assert "demo" in caught.value.message
    assert "k1nb up simulator" in (caught.value.hint or "")


def test_a_device_that_accepts_but_never_answers_is_unreachable() -> None:
    """Each try has an end of its own."""
    with witness() as watched:
        watched.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"
        with pytest.raises(DeviceUnreachable):
            ask(watched.device(), lambda client: client.health())


def test_a_refusal_carries_the_device_s_words(simulator: Running) -> None:
    """A pattern that is not there is DeviceRefused with status 404 and the device's message."""
    with pytest.raises(DeviceRefused, match="Pattern not found") as caught:
        ask(simulator.device, lambda client: client.select("no_such"))
    assert caught.value.status == 404


@pytest.mark.parametrize(
    "answer",
    [
        http(b""),
        http(b"<html>"),
        http(b"[]"),
        http(b"{}"),
        http(b'{"status": "ok"}'),
        http(b"[" * 100_000),
        http(b"", "204 No Content"),
        http(b"", "302 Found", Location="/elsewhere"),
        http(b" " * (MAX_ANSWER + 1)),
        http(b"{}", Content_Encoding="gzip"),
    ],
    ids=["empty", "html", "list", "nothing", "half", "deep", "204", "redirect", "huge", "gzip"],
)
def test_an_answer_that_is_no_k1_s_is_nonsense(answer: bytes) -> None:
    """What is not a JSON object with the right fields, in a bounded size, is DeviceNonsense."""
    with witness() as watched:
        watched.answer = answer
        with pytest.raises(DeviceNonsense, match="GET /api/health"):
            ask(watched.device(), lambda client: client.health())


@pytest.mark.parametrize(
    ("field", "value"),
    [("fps", "NaN"), ("fps", '"fast"'), ("uptime_ms", "-1"), ("wifi", "7"), ("memory_free_kb", "null")],
)
def test_a_field_of_the_wrong_kind_is_named(simulator: Running, field: str, value: str) -> None:
    """The message says which field is wrong."""
    body = json.dumps({**simulator.get("/api/health").json(), field: "@"}).replace('"@"', value)
    with witness() as watched:
        watched.answer = http(body.encode())
        with pytest.raises(DeviceNonsense, match=field):
            ask(watched.device(), lambda client: client.health())


@pytest.mark.parametrize(
    "question",
    [
        lambda client: client.select(7),
        lambda client: client.select(None),
        lambda client: client.select(""),
        lambda client: client.set_transitions_config({"default_type": None}),
        lambda client: client.set_transitions_config({"default_easing": 3}),
        lambda client: client.set_params({"brightnes": 1}),
        lambda client: client.set_params({"brightness": "1"}),
        lambda client: client.set_params({"brightness": float("nan")}),
        lambda client: client.set_params({"brightness": 1.01}),
        lambda client: client.set_params({"led_offset": -161}),
        lambda client: client.set_audio_config({"microphone_gain": 0.1}),
        lambda client: client.set_audio_config({"gain": 1}),
    ],
)
def test_what_would_crash_or_be_changed_is_never_sent(question: Ask) -> None:
    """Values that restart the device, or that it would change without a word, are refused before any connection."""
    with witness() as watched, pytest.raises(UsageError):
        ask(watched.device(), question)
    assert watched.heard == []


def test_a_request_is_as_the_device_wants_it() -> None:
    """POST bodies are JSON with their content type, and every connection is to be closed."""
    with witness() as watched:
        watched.answer = http(b"{}")
        ask(watched.device(), lambda client: client.set_params({"speed": 0.5}))
    request = watched.heard[0][1].decode().lower()
    assert "post /api/params http/1.1" in request
    assert "content-type: application/json" in request
    assert "connection: close" in request
    assert request.endswith('{"speed":0.5}')


def test_a_call_that_never_arrived_uses_no_window(demo: Device) -> None:
    """Three refused connections take their pauses only, not the second of the route's window."""
    started = time.monotonic()
    with pytest.raises(DeviceUnreachable):
        ask(demo, lambda client: client.patterns())
    assert time.monotonic() - started < 2.0
