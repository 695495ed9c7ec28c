"""The HTTP client of one device: its windows honoured, its answers typed, its crashes avoided."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from k1nb import _http
from k1nb.device import _facts as facts
from k1nb.device._answers import (
    AudioSnapshot,
    CurrentPattern,
    FrameMetrics,
    Health,
    Info,
    LatencyProbe,
    LedFrame,
    Patterns,
    Performance,
    Rmt,
    Selected,
)
from k1nb.device._facts import Range, Route
from k1nb.device._inventory import Device
from k1nb.device._limiter import RateLimiter
from k1nb.errors import DeviceNonsense, DeviceRefused, DeviceUnreachable, UsageError
from k1nb.paths import Paths
from k1nb.timings import Timings

A = TypeVar("A", bound=BaseModel)

TRIES = 3
MAX_ANSWER = 256 * 1024
"""Bytes of the largest answer that is read; the device's largest, the palettes, is about 24 KB."""
_TOLERANCE = 1e-3
"""The device keeps single-precision floats: what it read out may lie this far outside its own range."""


class DeviceClient:
    """Asks one device; an async context manager.

    Each call waits for the route's rate window, is tried up to three times on 429 and on a lost connection, and
    raises DeviceUnreachable, DeviceRefused (with the device's words) or DeviceNonsense; StorageError where the
    windows, which all clients of this home share, cannot be kept under `paths`.
    """

    def __init__(self, device: Device, paths: Paths, timings: Timings) -> None:
        self.device = device
        self._timings = timings
        self._limiter = RateLimiter(paths, device)
        self._http = httpx.AsyncClient(
            # the device closes every connection
            **_http.options(timings.device_request, device.base_url),
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Self:
        """Open the client."""
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        await self._http.__aexit__(kind, error, trace)

    async def health(self) -> Health:
        """Return what the device says about its state."""
        return self._typed(Health, facts.HEALTH, await self._ask(facts.HEALTH))

    async def info(self) -> Info:
        """Return who the device is."""
        return self._typed(Info, facts.INFO, await self._ask(facts.INFO))

    async def performance(self) -> Performance:
        """Return frame times and heap."""
        return self._typed(Performance, facts.PERFORMANCE, await self._ask(facts.PERFORMANCE))

    async def frame_metrics(self) -> FrameMetrics:
        """Return the last frames, one by one."""
        return self._typed(FrameMetrics, facts.FRAME_METRICS, await self._ask(facts.FRAME_METRICS))

    async def latency_probe(self) -> LatencyProbe:
        """Return how long the last audio step took."""
        return self._typed(LatencyProbe, facts.LATENCY_PROBE, await self._ask(facts.LATENCY_PROBE))

    async def rmt(self) -> Rmt:
        """Return what the peripheral that drives the LEDs has counted."""
        return self._typed(Rmt, facts.RMT, await self._ask(facts.RMT))

    async def audio_snapshot(self) -> AudioSnapshot:
        """Return what the device hears."""
        return self._typed(AudioSnapshot, facts.AUDIO_SNAPSHOT, await self._ask(facts.AUDIO_SNAPSHOT))

    async def patterns(self) -> Patterns:
        """Return the patterns of the running firmware."""
        return self._typed(Patterns, facts.PATTERNS, await self._ask(facts.PATTERNS))

    async def current_pattern(self) -> CurrentPattern:
        """Return the pattern that is shown."""
        return self._typed(CurrentPattern, facts.CURRENT_PATTERN, await self._ask(facts.CURRENT_PATTERN))

    async def led_frame(self, lights: int = facts.LED_COUNT) -> LedFrame:
        """Return the colours of the first lights, as they are shown now."""
        query = {"n": str(lights), "fmt": "hex"}
        return self._typed(LedFrame, facts.LED_FRAME, await self._ask(facts.LED_FRAME, query=query))

    async def select(self, pattern_id: str, *, transition: bool = False) -> Selected:
        """Show a pattern, by id; DeviceRefused with status 404 where the firmware has none of that id."""
        if not isinstance(pattern_id, str) or not pattern_id:
            raise UsageError(
                f"pattern id {pattern_id!r} is refused", hint="give a text: another type restarts the device"
            )
        body = {"id": pattern_id, "transition": bool(transition)}
        return self._typed(Selected, facts.SELECT, await self._ask(facts.SELECT, body))

    async def params(self) -> dict[str, Any]:
        """Return the 20 parameters that the device shows."""
        return await self._ask(facts.GET_PARAMS)

    async def set_params(self, values: Mapping[str, float | bool]) -> dict[str, Any]:
        """Set some of the 23 parameters and return the 20 that the device shows.

        Raises UsageError for an unknown name, a value that is no number, or one outside its range, which the
        device would change without a word.
        """
        for name, value in values.items():
            _require_within(facts.PARAMETERS, name, value)
        return await self._ask(facts.SET_PARAMS, dict(values))

    async def backup(self) -> dict[str, Any]:
        """Return the device's own backup; it lacks eleven parameters and names the pattern by index."""
        return await self._ask(facts.BACKUP)

    async def audio_config(self) -> dict[str, Any]:
        """Return microphone_gain, vu_floor_pct and active."""
        return await self._ask(facts.GET_AUDIO)

    async def set_audio_config(self, values: Mapping[str, float]) -> dict[str, Any]:
        """Set microphone_gain (0.5 to 2.0) and vu_floor_pct (0.5 to 0.98)."""
        for name, value in values.items():
            _require_within(facts.AUDIO_SETTINGS, name, value)
        return await self._ask(facts.SET_AUDIO, dict(values))

    async def transitions_config(self) -> dict[str, Any]:
        """Return enabled, default_type, default_duration_ms and default_easing."""
        return await self._ask(facts.GET_TRANSITIONS)

    async def set_transitions_config(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Set what transitions_config returns; UsageError for a type or easing that is no text."""
        for name in ("default_type", "default_easing"):
            if name in values and not isinstance(values[name], str):
                raise UsageError(
                    f"{name} {values[name]!r} is refused", hint="give a text: another type restarts the device"
                )
        return await self._ask(facts.SET_TRANSITIONS, dict(values))

    async def _ask(
        self, route: Route, body: Mapping[str, Any] | None = None, *, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Call a route until it is answered or three tries are over, and return the answer's JSON object."""
        pause = self._timings.device_retry
        for left in reversed(range(TRIES)):
            try:
                response = await self._in_turn(route, body, query)
            except (httpx.TransportError, TimeoutError) as error:
                if not left:
                    raise self._unreachable(route, error) from error
                await asyncio.sleep(pause)
                pause *= 2
                continue
            if response.status_code != 429 or not left:
                return self._object(route, response)
        raise AssertionError("unreachable: the last try returns or raises")

    async def _in_turn(
        self, route: Route, body: Mapping[str, Any] | None, query: Mapping[str, str] | None
    ) -> httpx.Response:
        """Call a route once, in its turn, and say when the next call may come."""
        async with self._limiter.turn(route) as turn:
            try:
                response = await self._once(route, body, query)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                turn.free_in(0.0)  # what never reached the device opened no window
                raise
            if response.status_code == 429:
                turn.free_in(_seconds_left(response, route))
            return response

    async def _once(
        self, route: Route, body: Mapping[str, Any] | None, query: Mapping[str, str] | None
    ) -> httpx.Response:
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {"Connection": "close", "Accept-Encoding": "identity"} | (
            {} if content is None else {"Content-Type": "application/json"}
        )
        async with (
            asyncio.timeout(self._timings.device_request),
            self._http.stream(route.method, route.path, content=content, headers=headers, params=query) as response,
        ):
            data = bytearray()
            async for part in response.aiter_raw():
                data += part
                if len(data) > MAX_ANSWER:
                    raise self._nonsense(route, f"an answer of more than {MAX_ANSWER} bytes")
        return httpx.Response(response.status_code, headers=_plain(response.headers), content=bytes(data))

    def _object(self, route: Route, response: httpx.Response) -> dict[str, Any]:
        try:
            answer = response.json()
        except ValueError:
            answer = None
        except RecursionError as error:
            raise self._nonsense(route, "JSON nested without end") from error
        if response.is_error:
            raise DeviceRefused(
                f"device {self.device.label} answered {response.status_code} to {route}: {_http.words(response)}",
                status=response.status_code,
                hint=_refusal_hint(response.status_code),
            )
        if not response.is_success or not isinstance(answer, dict):
            raise self._nonsense(route, f"HTTP {response.status_code} without a JSON object")
        return answer

    def _typed(self, model: type[A], route: Route, answer: dict[str, Any]) -> A:
        try:
            return model.model_validate(answer)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise self._nonsense(route, f"{field}: {first['msg']}") from error

    def _nonsense(self, route: Route, what: str) -> DeviceNonsense:
        return DeviceNonsense(
            f"device {self.device.label} answered {route} as no K1 does: {what}",
            hint="check in the inventory that this address and port are the device's",
        )

    def _unreachable(self, route: Route, error: Exception) -> DeviceUnreachable:
        what = str(error) or type(error).__name__
        return DeviceUnreachable(
            f"device {self.device.label} gave no answer to {route} in {TRIES} tries: {what}",
            hint=self.device.retry_hint,
        )


def _plain(headers: httpx.Headers) -> dict[str, str]:
    """Leave out the encodings: the body is taken as it came, and none was asked for."""
    return {name: value for name, value in headers.items() if name not in ("content-encoding", "transfer-encoding")}


def _seconds_left(response: httpx.Response, route: Route) -> float:
    """Read how long the device wants to be left alone: never less than 0, never more than its window."""
    longest = max(route.window, 1000) / 1000
    try:
        left = float(response.headers.get("X-RateLimit-NextAllowedMs", "")) / 1000
    except ValueError:
        return longest
    return min(max(left, 0.0), longest) if math.isfinite(left) else longest


def _refusal_hint(status: int) -> str:
    if status == 429:
        return "another client asks this device the same at the same time: wait, or stop it (a browser dashboard?)"
    if status == 404:
        return "this firmware does not have it: compare with `k1nb device info`"
    return "see what the device says, and correct the request"


def _require_within(table: Mapping[str, Range], name: str, value: object) -> None:
    allowed = table.get(name)
    if allowed is None:
        raise UsageError(f"the device has no setting {name!r}", hint=f"known are {', '.join(table)}")
    if not isinstance(value, bool | int | float) or not (
        allowed.low - _TOLERANCE <= value <= allowed.high + _TOLERANCE
    ):
        raise UsageError(f"{name} {value!r} is refused", hint=f"give a number from {allowed.low} to {allowed.high}")
