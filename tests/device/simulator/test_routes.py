"""Tests of the simulated device's routes, each against the firmware's documented answer."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any

import httpx
import pytest

from k1nb.device._facts import PARAMETERS, READABLE_PARAMETERS
from k1nb.device.simulator._routes import ROUTES
from tests.device.conftest import Running

DOCUMENTED = {
    "GET /api/health": 200,
    "GET /api/test-connection": 200,
    "GET /api/device/info": 1000,
    "GET /api/device-info": 1000,
    "GET /api/device/performance": 500,
    "GET /api/device-performance": 500,
    "GET /metrics": 200,
    "GET /api/metrics": 200,
    "GET /api/frame-metrics": 500,
    "GET /api/latency/probe": 200,
    "GET /api/rmt": 200,
    "GET /api/audio/snapshot": 300,
    "GET /api/patterns": 1000,
    "GET /api/pattern/current": 200,
    "GET /api/leds/frame": 200,
    "POST /api/select": 200,
    "GET /api/params": 150,
    "POST /api/params": 300,
    "POST /api/reset": 1000,
    "GET /api/config/backup": 2000,
    "GET /api/audio-config": 500,
    "POST /api/audio-config": 300,
    "GET /api/transitions/config": 500,
    "POST /api/transitions/config": 300,
}
SHAPES: dict[str, set[str]] = {
    "/api/health": {
        *("status", "uptime_ms", "fps", "cpu_percent", "memory_free_kb", "memory_total_kb", "connected", "wifi")
    },
    "/api/test-connection": {"status", "timestamp"},
    "/api/device-info": {"device", "uptime_ms", "ip", "mac", "build"},
    "/api/device-performance": {
        *("fps", "frame_time_us", "render_avg_us", "quantize_avg_us", "rmt_wait_avg_us", "rmt_tx_avg_us"),
        *("cpu_percent", "memory_percent", "memory_free_kb", "memory_total_kb", "beat_queue_depth"),
        *("beat_queue_capacity", "beat_overflows_total", "fps_history"),
    },
    "/api/frame-metrics": {
        *("frame_count", "buffer_size", "avg_render_us", "avg_quantize_us", "avg_rmt_wait_us", "avg_rmt_tx_us"),
        *("avg_total_us", "frames"),
    },
    "/api/latency/probe": {"active", "last_latency_ms", "timestamp_us", "last_led_tx_us"},
    "/api/rmt": {"wait_timeouts", "ch1", "ch2"},
    "/api/audio/snapshot": {
        *("vu_level", "vu_level_raw", "tempo_confidence", "update_counter", "timestamp_us", "is_valid")
    },
    "/api/patterns": {"patterns", "current_pattern"},
    "/api/pattern/current": {"index", "id", "name", "is_audio_reactive"},
    "/api/leds/frame": {"count", "limit", "format", "data"},
    "/api/params": set(READABLE_PARAMETERS),
    "/api/config/backup": {
        *("version", "device", "timestamp", "uptime_seconds", "parameters", "current_pattern", "device_info")
    },
    "/api/audio-config": {"microphone_gain", "vu_floor_pct", "active"},
    "/api/transitions/config": {"enabled", "default_type", "default_duration_ms", "default_easing"},
}


def test_every_route_has_its_documented_window() -> None:
    """The routes served, the private ones aside, are the documented ones with their windows in ms."""
    assert {str(r): r.window for r in ROUTES if not r.path.startswith("/k1nb/")} == DOCUMENTED


def test_an_answer_has_exactly_the_documented_fields(simulator: Running) -> None:
    """Each GET route answers the fields that the firmware answers, no more and no fewer."""
    assert {path: set(simulator.get(path).json()) for path in SHAPES} == SHAPES


def test_a_device_fresh_from_the_factory_has_46_patterns_and_no_stamp(simulator: Running) -> None:
    """Before any OTA the device shows prism, the first audio-reactive of 46 patterns, and no build stamp."""
    patterns = simulator.get("/api/patterns").json()
    assert len(patterns["patterns"]) == 46
    assert patterns["current_pattern"] == 3
    assert patterns["patterns"][3]["id"] == "prism"
    assert sum(p["audio_reactive"] for p in patterns["patterns"]) == 18
    assert patterns["patterns"][45]["id"] == "kelvin_helmholtz"
    assert "arduino_release" not in simulator.get("/api/device/info").json()["build"]


def test_metrics_are_prometheus_lines(simulator: Running) -> None:
    """/metrics has six names with two decimals for floats, as text that ends with a newline."""
    answer = simulator.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.endswith("\n")
    values = dict(line.split() for line in answer.text.splitlines())
    assert set(values) == {
        *("k1_fps", "k1_frame_time_us", "k1_cpu_percent", "k1_memory_free_kb", "k1_beat_events_count"),
        "k1_tempo_confidence",
    }
    assert len(values["k1_fps"].partition(".")[2]) == 2


def test_the_last_64_frames_are_kept(simulator: Running) -> None:
    """Frames come one by one, oldest first, never more than 64, with heap in bytes."""
    time.sleep(0.7)
    answer = simulator.get("/api/frame-metrics").json()
    frames = answer["frames"]
    assert len(frames) == answer["frame_count"] == answer["buffer_size"] == 64
    assert set(frames[0]) == {"render_us", "quantize_us", "rmt_wait_us", "rmt_tx_us", "total_us", "heap_free", "fps"}
    assert frames[0]["heap_free"] == 142 * 1024
    assert len({frame["render_us"] for frame in frames}) > 1


def test_the_device_is_slightly_alive(simulator: Running) -> None:
    """Uptime advances as the clock does, and the frame rate moves a little."""
    first = simulator.get("/api/health").json()
    time.sleep(0.5)
    second = simulator.get("/api/health").json()
    assert 450 <= second["uptime_ms"] - first["uptime_ms"] < 30_000
    assert second["fps"] == pytest.approx(first["fps"], rel=0.02)
    assert second["fps"] != first["fps"]


def test_a_pattern_is_selected_by_id_and_by_index(simulator: Running) -> None:
    """Select answers the pattern that is shown then."""
    assert simulator.post("/api/select", json={"id": "lava"}).json()["id"] == "lava"
    assert simulator.get("/api/pattern/current").json()["index"] == 1
    time.sleep(0.2)
    assert simulator.post("/api/select", json={"index": 2}).json()["id"] == "twilight"


def test_with_a_transition_the_answer_still_shows_the_old_pattern(simulator: Running) -> None:
    """The new pattern is shown a moment after a select with transition."""
    assert simulator.post("/api/select", json={"id": "lava", "transition": True}).json()["id"] == "prism"
    assert simulator.get("/api/pattern/current").json()["id"] == "lava"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"id": "no_such"}, 404, "pattern_not_found"),
        ({"index": 46}, 404, "pattern_not_found"),
        ({}, 400, "missing_field"),
    ],
)
def test_a_pattern_that_is_not_there_is_refused(
    simulator: Running, body: dict[str, Any], status: int, code: str
) -> None:
    """Select refuses in the full error shape."""
    answer = simulator.post("/api/select", json=body)
    assert (answer.status_code, answer.json()["error"], answer.json()["status"]) == (status, code, status)


def test_an_index_above_255_becomes_the_first_pattern(simulator: Running) -> None:
    """The firmware keeps indexes in eight bits."""
    assert simulator.post("/api/select", json={"index": 300}).json()["id"] == "departure"


@pytest.mark.parametrize(
    ("path", "body"), [("/api/select", {"id": 7}), ("/api/transitions/config", {"default_type": None})]
)
def test_a_null_compare_restarts_the_device(simulator: Running, path: str, body: dict[str, Any]) -> None:
    """What crashes the firmware drops the connection and boots the simulated device again."""
    with pytest.raises(httpx.TransportError):
        simulator.post(path, json=body)
    simulator.wait_until_up(boots=2)


def test_parameters_are_clamped_without_a_word(simulator: Running) -> None:
    """Out-of-range values are brought into range, unknown ones ignored, and the 20 readable ones answered."""
    body = {"brightness": 7, "led_offset": -1000, "palette_id": 40, "mirror_mode": 0, "custom_param_1": 1, "x": 1}
    answer = simulator.post("/api/params", json=body).json()
    assert set(answer) == set(READABLE_PARAMETERS)
    assert (answer["brightness"], answer["led_offset"], answer["palette_id"]) == (1.0, -160.0, 32)
    assert answer["mirror_mode"] is False
    assert simulator.get("/api/config/backup").json()["parameters"]["custom_param_1"] == 1.0


def test_values_have_single_precision(simulator: Running) -> None:
    """The device keeps 32-bit floats, so that 0.33 comes back a little off."""
    color = simulator.get("/api/params").json()["color"]
    assert color != 0.33
    assert color == pytest.approx(0.33, abs=1e-6)


def test_all_23_parameters_fit_into_one_call(simulator: Running) -> None:
    """A full set of parameters is within the device's document memory."""
    body = {name: allowed.default for name, allowed in PARAMETERS.items()}
    assert simulator.post("/api/params", json=body).status_code == 200


def test_reset_brings_the_defaults_but_keeps_the_pattern(simulator: Running) -> None:
    """Reset answers the defaults; the pattern stays."""
    simulator.post("/api/params", json={"speed": 0.9})
    simulator.post("/api/select", json={"id": "lava"})
    assert simulator.post("/api/reset", json={}).json()["speed"] == 0.5
    assert simulator.get("/api/pattern/current").json()["id"] == "lava"


def test_the_backup_lacks_eleven_parameters(simulator: Running) -> None:
    """The device's own backup is a download with 12 of the 23 parameters."""
    answer = simulator.get("/api/config/backup")
    assert "k1-config-backup.json" in answer.headers["content-disposition"]
    assert len(answer.json()["parameters"]) == 12
    assert set(answer.json()["device_info"]) == {"ip", "mac", "firmware"}


def test_audio_settings_outside_their_range_are_refused(simulator: Running) -> None:
    """A gain of 3 is 400, and leaves the old value."""
    assert simulator.post("/api/audio-config", json={"microphone_gain": 3}).status_code == 400
    assert simulator.get("/api/audio-config").json()["microphone_gain"] == 1.0


def test_the_answer_to_audio_settings_lacks_the_floor(simulator: Running) -> None:
    """POST takes vu_floor_pct but does not answer it."""
    answer = simulator.post("/api/audio-config", json={"microphone_gain": 1.5, "vu_floor_pct": 0.6})
    assert set(answer.json()) == {"microphone_gain", "active"}
    assert simulator.get("/api/audio-config").json()["vu_floor_pct"] == pytest.approx(0.6)


def test_transition_settings_are_kept(simulator: Running) -> None:
    """Duration is clamped to 100 to 10,000 ms; texts are kept."""
    body = {"enabled": False, "default_duration_ms": 50, "default_type": "wipe"}
    simulator.post("/api/transitions/config", json=body)
    kept = simulator.get("/api/transitions/config").json()
    assert (kept["enabled"], kept["default_duration_ms"], kept["default_type"]) == (False, 100, "wipe")


def test_the_proof_is_the_token_s_hmac_of_the_nonce(simulator: Running) -> None:
    """GET /k1nb/simulator answers HMAC-SHA256 of nonce, MAC and place under the token in the simulator's folder."""
    token = (simulator.paths.simulators / "demo" / "token").read_text().strip()
    nonce = "00ff" * 16
    device = simulator.device
    words = f"{nonce} {device.mac} {device.address} {device.http_port} {device.ota_port}"
    expected = hmac.new(token.encode(), words.encode(), hashlib.sha256).hexdigest()
    assert simulator.get("/k1nb/simulator", params={"nonce": nonce}).json() == {"proof": expected}


@pytest.mark.parametrize("nonce", ["", "00ff", "x" * 32, "0" * 129])
def test_a_nonce_must_be_hex_of_some_length(shared: Running, nonce: str) -> None:
    """A nonce that is short, long or no hex is 400."""
    assert shared.get("/k1nb/simulator", params={"nonce": nonce}).status_code == 400
