"""The routes of the simulated device, in the order in which the firmware registers them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from k1nb.device import _facts as facts
from k1nb.device._facts import Route
from k1nb.device._proof import PROOF_PATH, proof_of
from k1nb.device.simulator._board import Board, as_float, stored
from k1nb.device.simulator._lights import shown

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route answers: JSON, or text where `body` is one."""

    body: Json | str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Crash(Exception):
    """The firmware compares a null pointer here: the device restarts without an answer."""


Handler = Callable[[Board, Mapping[str, str], Json], Answer]


def refusal(board: Board, status: int, code: str, message: str) -> Answer:
    """Return an error in the device's full shape."""
    return Answer({"error": code, "message": message, "timestamp": board.uptime_ms, "status": status}, status)


def _health(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    health = board.firmware.health
    wifi = {"ssid": "K1-Simulated", "rssi": health.rssi_dbm, "ip": board.device.address}
    return Answer(
        {
            "status": health.status,
            "uptime_ms": board.uptime_ms,
            "fps": board.alive(health.fps),
            "cpu_percent": _cpu_percent(board),
            "memory_free_kb": health.memory_free_kb,
            "memory_total_kb": health.memory_total_kb,
            "connected": True,
            "wifi": wifi,
        }
    )


def _cpu_percent(board: Board) -> float:
    """Estimate from heap use, as the firmware does where the core is built without run-time statistics."""
    return round(45 * _used_fraction(board), 2)


def _used_fraction(board: Board) -> float:
    health = board.firmware.health
    return 1 - health.memory_free_kb / max(health.memory_total_kb, 1)


def _test_connection(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    return Answer({"status": "ok", "timestamp": board.uptime_ms})


def _info(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    build: Json = {
        "arduino": 10812,
        "idf_ver": "v4.4.7",
        "platformio_platform": "espressif32@6.12.0",
        "framework": "arduino@3.20017.241212",
    }
    if board.firmware.stamp is not None:
        build["arduino_release"] = board.firmware.stamp
    return Answer(
        {
            "device": "K1.reinvented",
            "uptime_ms": board.uptime_ms,
            "ip": board.device.address,
            "mac": board.device.mac,
            "build": build,
        }
    )


def _performance(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    health = board.firmware.health
    times = {
        name: board.alive(getattr(health, name))
        for name in ("render_avg_us", "quantize_avg_us", "rmt_wait_avg_us", "rmt_tx_avg_us")
    }
    fps = board.alive(health.fps)
    return Answer(
        {
            "fps": fps,
            "frame_time_us": round(sum(times.values()), 3),
            **times,
            "cpu_percent": _cpu_percent(board),
            "memory_percent": round(100 * _used_fraction(board), 2),
            "memory_free_kb": health.memory_free_kb,
            "memory_total_kb": health.memory_total_kb,
            "beat_queue_depth": 0,
            "beat_queue_capacity": 128,
            "beat_overflows_total": 0,
            "fps_history": [fps] * 16,
        }
    )


def _metrics(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    health = board.firmware.health
    frame_time = board.alive(
        health.render_avg_us + health.quantize_avg_us + health.rmt_wait_avg_us + health.rmt_tx_avg_us
    )
    lines = (
        f"k1_fps {board.alive(health.fps):.2f}",
        f"k1_frame_time_us {frame_time:.2f}",
        f"k1_cpu_percent {_cpu_percent(board):.2f}",
        f"k1_memory_free_kb {health.memory_free_kb}",
        "k1_beat_events_count 0",
        "k1_tempo_confidence 0.00",
    )
    return Answer("\n".join(lines) + "\n")


_TIMES = {f"{name}_us": f"{name}_avg_us" for name in ("render", "quantize", "rmt_wait", "rmt_tx")}
"""The parts of a frame's time, each with its average."""
_BUFFER = 64
"""Frames that the device keeps."""
_AUDIO_STEP_MS = 8


def _frame_metrics(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    health = board.firmware.health
    period = 1000 / max(health.fps, 1.0)
    count = min(_BUFFER, int(board.uptime_ms / period))
    averages = {average: board.alive(getattr(health, average)) for average in _TIMES.values()}
    return Answer(
        {
            "frame_count": count,
            "buffer_size": _BUFFER,
            **{f"avg_{short}": averages[average] for short, average in _TIMES.items()},
            "avg_total_us": round(sum(averages.values()), 3),
            "frames": [_frame(board, ms_ago=age * period) for age in reversed(range(count))],
        }
    )


def _frame(board: Board, ms_ago: float) -> Json:
    health = board.firmware.health
    times = {short: board.alive(getattr(health, average), ms_ago=ms_ago) for short, average in _TIMES.items()}
    return {
        **times,
        "total_us": round(sum(times.values()), 3),
        "heap_free": health.memory_free_kb * 1024,
        "fps": board.alive(health.fps, ms_ago=ms_ago),
    }


def _latency_probe(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    now = board.uptime_ms * 1000
    return Answer(
        {"active": True, "last_latency_ms": board.alive(_AUDIO_STEP_MS / 2), "timestamp_us": now, "last_led_tx_us": now}
    )


def _rmt(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    channel = {"empty": 0, "maxgap_us": 0, "trans_done": board.uptime_ms // 8, "last_empty_us": 0}
    return Answer({"wait_timeouts": 0, "ch1": channel, "ch2": channel})


def _audio_snapshot(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    """Tell what is heard in a silent room."""
    return Answer(
        {
            "vu_level": 0.0,
            "vu_level_raw": 0.0,
            "tempo_confidence": 0.0,
            "update_counter": board.uptime_ms // _AUDIO_STEP_MS,
            "timestamp_us": board.uptime_ms * 1000,
            "is_valid": True,
        }
    )


def _patterns(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    rows = [
        {
            "index": index,
            "name": pattern.name,
            "id": pattern.id,
            "description": pattern.description,
            "audio_reactive": pattern.audio_reactive,
        }
        for index, pattern in enumerate(board.firmware.patterns)
    ]
    return Answer({"patterns": rows, "current_pattern": board.pattern})


def _current_pattern(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    pattern = board.firmware.patterns[board.pattern]
    return Answer(
        {
            "index": board.pattern,
            "id": pattern.id,
            "name": pattern.name,
            "is_audio_reactive": pattern.audio_reactive,
        }
    )


def _led_frame(board: Board, query: Mapping[str, str], _body: Json) -> Answer:
    count = query.get("n", str(facts.LED_COUNT))
    if not re.fullmatch(r"[0-9]{1,3}", count) or not 1 <= int(count) <= facts.LED_COUNT:
        return refusal(board, 400, "invalid_param", f"n must be 1 to {facts.LED_COUNT}")
    form = query.get("fmt", "hex")
    if form not in ("hex", "rgb"):
        return refusal(board, 400, "invalid_param", "fmt must be hex or rgb")
    lights = shown(board, int(count))
    data = [list(light) if form == "rgb" else "".join(f"{part:02X}" for part in light) for light in lights]
    return Answer({"count": facts.LED_COUNT, "limit": int(count), "format": form, "data": data})


def _select(board: Board, _query: Mapping[str, str], body: Json) -> Answer:
    patterns = board.firmware.patterns
    if "index" in body:
        given = int(min(max(as_float(body["index"]), 0), 1000))
        wanted = given if given <= 255 else 0
    elif "id" in body:
        if not isinstance(body["id"], str):
            raise Crash
        wanted = next((index for index, pattern in enumerate(patterns) if pattern.id == body["id"]), len(patterns))
    else:
        return refusal(board, 400, "missing_field", "Missing index or id")
    if wanted >= len(patterns):
        return refusal(board, 404, "pattern_not_found", "Pattern not found")
    before, board.pattern = board.pattern, wanted
    # A transition is still on its way when the answer leaves.
    shown = before if body.get("transition") is True and board.transitions["enabled"] else wanted
    return Answer({"current_pattern": shown, "id": patterns[shown].id, "name": patterns[shown].name})


def _get_params(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    return Answer({name: board.params[name] for name in facts.READABLE_PARAMETERS})


def _set_params(board: Board, query: Mapping[str, str], body: Json) -> Answer:
    for name, allowed in facts.PARAMETERS.items():
        if name in body:
            board.params[name] = stored(allowed, body[name])
    return _get_params(board, query, body)


def _reset(board: Board, query: Mapping[str, str], body: Json) -> Answer:
    defaults = {name: allowed.default for name, allowed in facts.PARAMETERS.items()}
    return _set_params(board, query, {**body, **defaults})


def _backup(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    body = {
        "version": "1.0",
        "device": "K1.reinvented",
        "timestamp": board.uptime_ms,
        "uptime_seconds": board.uptime_ms // 1000,
        "parameters": {name: board.params[name] for name in facts.BACKED_UP_PARAMETERS},
        "current_pattern": board.pattern,
        "device_info": {"ip": board.device.address, "mac": board.device.mac, "firmware": "v4.4.7"},
    }
    return Answer(body, headers={"Content-Disposition": 'attachment; filename="k1-config-backup.json"'})


def _get_audio(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    return Answer({**board.audio, "active": True})


def _set_audio(board: Board, _query: Mapping[str, str], body: Json) -> Answer:
    given = {name: as_float(body[name]) for name in facts.AUDIO_SETTINGS if name in body}
    for name, value in given.items():
        allowed = facts.AUDIO_SETTINGS[name]
        if not allowed.low <= value <= allowed.high:
            return refusal(board, 400, "invalid_value", f"{name} must be {allowed.low} to {allowed.high}")
    board.audio.update({name: stored(facts.AUDIO_SETTINGS[name], value) for name, value in given.items()})
    # The device leaves vu_floor_pct out of this answer.
    return Answer({"microphone_gain": board.audio["microphone_gain"], "active": True})


def _get_transitions(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    return Answer(dict(board.transitions))


def _set_transitions(board: Board, _query: Mapping[str, str], body: Json) -> Answer:
    texts: Json = {name: body[name] for name in ("default_type", "default_easing") if name in body}
    if any(not isinstance(value, str) for value in texts.values()):
        raise Crash
    board.transitions.update(texts)
    if "enabled" in body:
        board.transitions["enabled"] = bool(body["enabled"])
    if "default_duration_ms" in body:
        board.transitions["default_duration_ms"] = int(min(max(as_float(body["default_duration_ms"]), 100), 10_000))
    return Answer(dict(board.transitions))


def _proof(board: Board, query: Mapping[str, str], _body: Json) -> Answer:
    nonce = query.get("nonce", "")
    if not re.fullmatch(r"[0-9a-f]{16,128}", nonce):
        return refusal(board, 400, "invalid_param", "nonce must be 16 to 128 hex digits")
    return Answer({"proof": proof_of(board.token, nonce, board.device)})


def _state(board: Board, _query: Mapping[str, str], _body: Json) -> Answer:
    return Answer(dict(board.flash.state()))


ROUTES: Mapping[Route, Handler] = MappingProxyType(
    {
        # No K1 has the first two. As everywhere, the first route that matches wins: a route also takes what lies
        # below its path, so the longer one comes first.
        Route("GET", f"{PROOF_PATH}/state"): _state,
        Route("GET", PROOF_PATH): _proof,
        facts.PATTERNS: _patterns,
        facts.GET_PARAMS: _get_params,
        facts.SET_PARAMS: _set_params,
        facts.RESET: _reset,
        facts.SELECT: _select,
        facts.CURRENT_PATTERN: _current_pattern,
        facts.LED_FRAME: _led_frame,
        facts.HEALTH: _health,
        facts.TEST_CONNECTION: _test_connection,
        facts.INFO: _info,
        facts.INFO_ALIAS: _info,
        facts.PERFORMANCE: _performance,
        facts.PERFORMANCE_ALIAS: _performance,
        facts.METRICS: _metrics,
        facts.METRICS_ALIAS: _metrics,
        facts.FRAME_METRICS: _frame_metrics,
        facts.LATENCY_PROBE: _latency_probe,
        facts.RMT: _rmt,
        facts.AUDIO_SNAPSHOT: _audio_snapshot,
        facts.GET_AUDIO: _get_audio,
        facts.SET_AUDIO: _set_audio,
        facts.BACKUP: _backup,
        facts.GET_TRANSITIONS: _get_transitions,
        facts.SET_TRANSITIONS: _set_transitions,
    }
)
"""Every route with its window (in Route) and its handler."""
