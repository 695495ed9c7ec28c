"""The metrics: their names, types, units and sources. `docs/metrics.md` shows this table; a test compares them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from k1nb.device import AudioSnapshot, FrameMetrics, Health, LatencyProbe, Performance, Rmt

DEVICE_LABELS = ("device", "mac", "role", "kind")
"""What tells devices apart: name, MAC, role and kind of the inventory. No address, and nothing of the Wi-Fi."""
INFO_LABELS = (*DEVICE_LABELS, "ip", "idf_ver", "framework", "build_id", "pattern")
ERROR_LABELS = (*DEVICE_LABELS, "route", "reason")
WORKFLOW_LABELS = ("workflowName",)
"""Spelt as the server's own metrics spell it."""
HEALTH = "GET /api/health"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    kind: Literal["gauge", "counter"]
    unit: str
    """The unit of its values; `1` for a count or a flag."""
    help: str
    source: str
    labels: tuple[str, ...] = DEVICE_LABELS


@dataclass(frozen=True, slots=True)
class Value:
    """How a metric is read from a device's answer."""

    metric: Metric
    answer: type[Any]
    read: Callable[[Any], float | None]


def _health(name: str, unit: str, text: str, field: str, read: Callable[[Health], float]) -> Value:
    return Value(Metric(f"k1_device_{name}", "gauge", unit, text, f"{HEALTH} {field}"), Health, read)


def _performance(name: str, unit: str, text: str, field: str, read: Callable[[Performance], float]) -> Value:
    kind: Literal["gauge", "counter"] = "counter" if name.endswith("_total") else "gauge"
    source = f"GET /api/device/performance {field}"
    return Value(Metric(f"k1_device_{name}", kind, unit, text, source), Performance, read)


def _longest_render_ms(answer: FrameMetrics) -> float | None:
    return max((frame.render_us / 1000 for frame in answer.frames), default=None)


VALUES: tuple[Value, ...] = (
    _health("fps", "frames/s", "Mean rate of the last 16 frames", "fps", lambda a: a.fps),
    _health(
        "uptime_seconds",
        "s",
        "Time since the device started; wraps after 49.7 days",
        "uptime_ms / 1000",
        lambda a: a.uptime_ms / 1000,
    ),
    _health("wifi_rssi_dbm", "dBm", "Signal strength of its Wi-Fi", "wifi.rssi", lambda a: a.wifi.rssi),
    _health("wifi_connected", "1", "1 while its Wi-Fi is connected", "connected", lambda a: a.connected),
    _performance(
        "free_heap_bytes",
        "B",
        "Free heap, in steps of 1 KiB",
        "memory_free_kb × 1024",
        lambda a: a.memory_free_kb * 1024,
    ),
    _performance("heap_total_bytes", "B", "Heap in all", "memory_total_kb × 1024", lambda a: a.memory_total_kb * 1024),
    _performance("memory_used_percent", "%", "Used heap", "memory_percent", lambda a: a.memory_percent),
    _performance(
        "cpu_percent", "%", "An estimate from heap use: nothing to alert on", "cpu_percent", lambda a: a.cpu_percent
    ),
    _performance(
        "avg_render_time_ms",
        "ms",
        "Rendering per frame, averaged over at most 15 s",
        "render_avg_us / 1000",
        lambda a: a.render_avg_us / 1000,
    ),
    _performance(
        "avg_quantize_time_ms",
        "ms",
        "Quantizing per frame, averaged likewise",
        "quantize_avg_us / 1000",
        lambda a: a.quantize_avg_us / 1000,
    ),
    _performance(
        "avg_rmt_wait_time_ms",
        "ms",
        "Waiting for the LED driver per frame, averaged likewise",
        "rmt_wait_avg_us / 1000",
        lambda a: a.rmt_wait_avg_us / 1000,
    ),
    _performance(
        "avg_rmt_tx_time_ms",
        "ms",
        "Sending to the LEDs per frame, averaged likewise",
        "rmt_tx_avg_us / 1000",
        lambda a: a.rmt_tx_avg_us / 1000,
    ),
    _performance(
        "avg_frame_time_ms",
        "ms",
        "The sum of these four",
        "frame_time_us / 1000",
        lambda a: a.frame_time_us / 1000,
    ),
    _performance(
        "beat_queue_depth", "1", "Beat events that wait; normally 0", "beat_queue_depth", lambda a: a.beat_queue_depth
    ),
    _performance(
        "beat_overflows_total",
        "1",
        "Beat events lost since the device started",
        "beat_overflows_total",
        lambda a: a.beat_overflows_total,
    ),
    Value(
        Metric(
            "k1_device_max_render_time_ms",
            "gauge",
            "ms",
            "Longest rendering of the last 64 frames",
            "GET /api/frame-metrics frames[].render_us / 1000",
        ),
        FrameMetrics,
        _longest_render_ms,
    ),
    Value(
        Metric(
            "k1_device_audio_latency_ms",
            "gauge",
            "ms",
            "How long the last audio step took; not the time from microphone to light",
            "GET /api/latency/probe last_latency_ms",
        ),
        LatencyProbe,
        lambda a: a.last_latency_ms,
    ),
    Value(
        Metric(
            "k1_device_rmt_wait_timeouts_total",
            "counter",
            "1",
            "Frames given up by the LED driver since the device started, or was reset by POST /api/rmt/reset",
            "GET /api/rmt wait_timeouts",
        ),
        Rmt,
        lambda a: a.wait_timeouts,
    ),
    Value(
        Metric(
            "k1_device_tempo_confidence",
            "gauge",
            "1",
            "How sure the device is of the tempo, from 0 to 1",
            "GET /api/audio/snapshot tempo_confidence",
        ),
        AudioSnapshot,
        lambda a: a.tempo_confidence,
    ),
)
"""What is read straight from a device's answers; exported while the answer is fresh."""

UP = Metric(
    "k1_device_up",
    "gauge",
    "1",
    "1 if the last look was answered, unless another MAC said so",
    HEALTH,
)
FOREIGN = Metric(
    "k1_device_foreign",
    "gauge",
    "1",
    "1 if another MAC answers at the device's address; nothing else is exported of it then",
    "GET /api/device/info mac",
)
AGE = Metric("k1_device_reading_age_seconds", "gauge", "s", "Time since the last answer to a look", HEALTH)
REBOOTS = Metric(
    "k1_device_reboots_total",
    "counter",
    "1",
    "Restarts seen since the exporter started; the wrap of its uptime is none",
    f"{HEALTH} uptime_ms",
)
OTA = Metric(
    "k1_device_ota_in_progress",
    "gauge",
    "1",
    "1 while a process of this host holds the device to flash it",
    "the device's lock under the home",
)
ERRORS = Metric(
    "k1_device_poll_errors_total",
    "counter",
    "1",
    "Questions that got no good answer, after the client's own three tries, since the exporter started",
    "the exporter",
    ERROR_LABELS,
)
INFO = Metric(
    "k1_device_info",
    "gauge",
    "1",
    "Always 1: what the device runs and shows; build_id is its stamp, or artifact: and what it accepted by the ledger",
    "GET /api/device/info, GET /api/pattern/current, ledger",
    INFO_LABELS,
)

CONDUCTOR_UP = Metric(
    "k1_conductor_up", "gauge", "1", "1 if the server answered all that the exporter asked", "GET /api/health", ()
)
CONDUCTOR_AGE = Metric(
    "k1_conductor_reading_age_seconds", "gauge", "s", "Time since the server last did", "GET /api/health", ()
)
RUNNING_SECONDS = Metric(
    "k1_workflow_running_seconds_max",
    "gauge",
    "s",
    "Age of the oldest running execution that does not wait for a person; 0 without one",
    "GET /api/workflow/search-v2",
    WORKFLOW_LABELS,
)
WAITING = Metric(
    "k1_workflow_waiting_for_person",
    "gauge",
    "1",
    "Running executions in which a HUMAN task, or one of a sub-workflow, waits",
    "GET /api/workflow/{id}",
    WORKFLOW_LABELS,
)
FORGOTTEN = Metric(
    "k1_workflow_forgotten",
    "gauge",
    "1",
    "Running executions that the server has lost sight of",
    "GET /api/workflow/{id}",
    WORKFLOW_LABELS,
)
FAILURES = Metric(
    "k1_workflow_failures_total",
    "counter",
    "1",
    "Executions that ended so since the exporter started; 0 before the first, which the server's own counter is not",
    "GET /api/workflow/search-v2",
    (*WORKFLOW_LABELS, "status"),
)
POLLERS = Metric(
    "k1_task_pollers",
    "gauge",
    "1",
    "Workers that asked for tasks of a registered type within the last minute, or have one of it in progress",
    "GET /api/tasks/queue/polldata/all",
    ("taskType",),
)
INVENTORY = Metric(
    "k1_exporter_inventory_readable", "gauge", "1", "1 if the inventory could be read at the last look", "inventory", ()
)
DISK_FREE = Metric(
    "k1_artifacts_disk_free_bytes", "gauge", "B", "Space left where artifacts are stored", "the file system", ()
)
DISK_SIZE = Metric("k1_artifacts_disk_size_bytes", "gauge", "B", "Size of that file system", "the file system", ())

CATALOGUE: tuple[Metric, ...] = (
    *(UP, FOREIGN, AGE, REBOOTS, OTA, ERRORS, INFO),
    *(value.metric for value in VALUES),
    *(CONDUCTOR_UP, CONDUCTOR_AGE, RUNNING_SECONDS, WAITING, FORGOTTEN, FAILURES, POLLERS),
    *(INVENTORY, DISK_FREE, DISK_SIZE),
)
"""Every metric that the exporter serves."""
