"""The exporter as a process: its pages, its port, its end."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from k1nb.config import Settings, environment
from k1nb.exporter import CATALOGUE
from tests.conftest import FreePort
from tests.exporter.conftest import K1NB, Exporter, add_device, exporting, quick_home, simulating
from tests.impostors import ANSWERS, listening

SECRETS = {"CONDUCTOR_AUTH_KEY": "key-of-tests", "CONDUCTOR_AUTH_SECRET": "never-to-be-told"}
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@pytest.fixture(scope="module")
def exporter(home: Settings, free_port: FreePort) -> Iterator[Exporter]:
    """Run an exporter that looks at one live device."""
    add_device(home, free_port, "bench", 1)
    with simulating(home, "bench"), exporting(home, **SECRETS) as running:
        running.with_figures()
        yield running


def test_prometheus_gets_a_valid_content_type(exporter: Exporter) -> None:
    """Prometheus 3 refuses a target without one; what the scraper asks for is what it gets."""
    plain, newer = exporter.get(), exporter.get(accept=OPENMETRICS)
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert newer.headers["content-type"].startswith("application/openmetrics-text; version=")
    families = openmetrics(newer.text)  # type: ignore[no-untyped-call]
    assert "k1_device_reboots" in {family.name for family in families}


def test_promtool_finds_nothing_but_the_design_s_milliseconds(exporter: Exporter) -> None:
    """The names are those of the dashboards; beyond their `_ms` Prometheus' own lint has no complaint."""
    promtool = shutil.which("promtool")
    assert promtool, "missing: promtool (Debian: apt-get install prometheus)"
    page = exporter.with_figures().text
    found = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    complaints = set((found.stdout + found.stderr).splitlines())
    in_ms = {metric.name for metric in CATALOGUE if metric.name.endswith("_ms")}
    assert complaints == {f"{name} metric names should not contain abbreviated units" for name in in_ms}


def test_a_device_is_known_by_name_mac_role_and_kind(exporter: Exporter) -> None:
    """Each series of a device has these labels, and no address, no network name and no password."""
    page = exporter.with_figures()
    assert page.value("k1_device_up", device="bench", mac="02:4B:31:00:01:01", role="test", kind="simulator") == 1
    more = {"k1_device_info": {"ip", "idf_ver", "framework", "build_id", "pattern"}}
    more["k1_device_poll_errors_total"] = {"route", "reason"}
    for name in [name for name in page.names if name.startswith("k1_device")]:
        labels = {frozenset(sample.labels) for sample in page.samples(name)}
        assert labels == {frozenset({"device", "mac", "role", "kind"} | more.get(name, set()))}
    assert "K1-Simulated" not in page.text


def test_no_secret_is_told(exporter: Exporter) -> None:
    """Neither page holds what the exporter was given to log in with."""
    text = exporter.get().text + exporter.get("/health").text
    assert not [value for value in SECRETS.values() if value in text]


def test_figures_are_the_device_s_in_the_metrics_units(exporter: Exporter) -> None:
    """KiB become bytes, microseconds milliseconds, milliseconds of uptime seconds; counters start at 0."""
    page = exporter.with_figures()
    assert page.value("k1_device_free_heap_bytes") == 142 * 1024
    assert page.value("k1_device_heap_total_bytes") == 286 * 1024
    assert page.value("k1_device_avg_render_time_ms") == pytest.approx(4.9, rel=0.01)
    assert page.value("k1_device_max_render_time_ms") == pytest.approx(4.9, rel=0.01)
    assert page.value("k1_device_wifi_rssi_dbm") == -54
    assert 0 < (page.value("k1_device_uptime_seconds") or 0) < 300
    assert page.value("k1_device_reboots_total") == page.total("k1_device_poll_errors_total") == 0
    assert page.value("k1_device_info", pattern="prism", build_id="", ip="127.0.0.1") == 1


def test_a_server_that_is_not_there_is_down(exporter: Exporter) -> None:
    """Without Conductor the page says so, and says nothing of workflows."""
    page = exporter.scrape()
    assert page.value("k1_conductor_up") == 0
    assert not [name for name in page.names if name.startswith(("k1_workflow", "k1_task"))]


def test_health_tells_of_the_exporter_s_own_work(exporter: Exporter) -> None:
    """A server or device that is down is told, but is no fault of the exporter."""
    answer = exporter.get("/health")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "ok", "inventory": "readable", "devices": {"observed": 1, "up": 1}, "conductor": "down"},
    )


def test_it_listens_on_the_loopback_alone(exporter: Exporter) -> None:
    """It has one port, and no other address of this host."""
    assert exporter.process is not None
    held = psutil.Process(exporter.process.pid).net_connections(kind="inet")
    listening = [end.laddr for end in held if end.status == psutil.CONN_LISTEN]
    assert listening == [("127.0.0.1", exporter.settings.exporter_port)]


def test_a_taken_port_is_named(exporter: Exporter) -> None:
    """A second one on the same port ends with 1 and says which setting gives it another."""
    run = subprocess.run(
        [*K1NB, "exporter"], env=environment(exporter.settings), capture_output=True, text=True, check=False, timeout=30
    )
    assert run.returncode == 1
    assert f"port {exporter.settings.exporter_port} of the exporter is held" in run.stderr
    assert "hint: stop that process, or set K1NB_EXPORTER_PORT" in run.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once(
    tmp_path_factory: pytest.TempPathFactory, free_port: FreePort, number: signal.Signals
) -> None:
    """Whatever it waits for: devices and a server that accept and stay silent, and a scraper that keeps its line."""
    settings = quick_home(tmp_path_factory.mktemp("end") / "home", free_port, scale=1)
    with listening(ANSWERS["silent"][0]) as silent, socket.create_server(("127.0.0.1", settings.conductor_port)):
        add_device(settings, free_port, "mute", 1, http_port=silent, kind="device")
        with exporting(settings) as running:
            assert running.process is not None
            with socket.create_connection(("127.0.0.1", settings.exporter_port)) as scraper:
                scraper.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                assert scraper.recv(15) == b"HTTP/1.1 200 OK"
                began = time.monotonic()
                running.process.send_signal(number)
                assert running.process.wait(20) == 0
            assert time.monotonic() - began < 5


def test_the_service_is_up_quickly(tmp_path_factory: pytest.TempPathFactory, free_port: FreePort) -> None:
    """`k1nb up exporter` starts it, `status` shows its address, `down` ends it; each is quick."""
    settings = quick_home(tmp_path_factory.mktemp("service") / "home", free_port, scale=1)
    try:
        run = subprocess.run(
            [*K1NB, "up", "exporter", "--json"], env=environment(settings), capture_output=True, text=True, check=True
        )
        found = {service["name"]: service for service in json.loads(run.stdout)}["exporter"]
        assert found["state"] == "running"
        assert found["address"] == f"http://127.0.0.1:{settings.exporter_port}/metrics"
        said = re.search(r"exporter is ready after ([0-9.]+) s", run.stderr)
        assert said
        assert float(said[1]) < 10
        assert Exporter(settings).scrape().value("k1_exporter_inventory_readable") == 1
        logs = subprocess.run([*K1NB, "logs", "exporter"], env=environment(settings), capture_output=True, check=True)
        assert b"exporter started" in logs.stdout
    finally:
        subprocess.run([*K1NB, "down"], env=environment(settings), capture_output=True, check=True)
