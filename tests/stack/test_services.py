from __future__ import annotations

import sys
from pathlib import Path

import pytest

from k1nb.config import Settings
from k1nb.device import Device, Inventory
from k1nb.errors import SettingError
from k1nb.stack import SERVICES
from k1nb.stack._services import (
    address,
    chosen,
    configured,
    describe,
    endpoints,
    properties_text,
    server_properties,
)

BENCH = Device("bench", "02:4B:31:00:00:01", "127.0.0.1", 18080, 13232, kind="simulator")
REAL = Device("desk", "02:4B:31:00:00:02", "192.0.2.7")


def silent(_: str) -> None:
    """Take a line."""


@pytest.fixture
def with_bench(settings: Settings) -> Settings:
    """Return settings whose inventory has a simulated device and a real one."""
    Inventory(settings.paths).add(BENCH)
    Inventory(settings.paths).add(REAL)
    return settings


def test_a_simulator_is_configured_where_a_device_is_simulated(settings: Settings) -> None:
    """A real device alone needs no simulator."""
    Inventory(settings.paths).add(REAL)
    assert configured(settings) == ("conductor", "exporter", "workers")
    Inventory(settings.paths).add(BENCH)
    assert configured(settings) == SERVICES


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ([], SERVICES),
        (["workers", "conductor"], ("conductor", "workers")),
        (["simulator", "simulator"], ("simulator",)),
    ],
)
def test_services_are_chosen_in_the_order_of_their_start(
    with_bench: Settings, named: list[str], meant: tuple[str, ...]
) -> None:
    """No name means all of them; a name given twice counts once."""
    assert chosen(with_bench, named) == meant


def test_the_server_listens_on_loopback_at_the_address_of_the_settings(settings: Settings) -> None:
    """Its port is the one of CONDUCTOR_SERVER_URL."""
    properties = server_properties(settings)
    assert properties["server.address"] == "127.0.0.1"
    assert properties["server.port"] == str(settings.conductor_port)
    assert properties["conductor.app.lockTimeToTry"] == "20s"
    assert properties["conductor.app.maxPostponeDurationSeconds"] == "15"
    assert [str(end) for end in endpoints(settings, "conductor")] == [f"127.0.0.1:{settings.conductor_port}"]


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:8080/api", "http://192.0.2.7:8080/api", "http://127.0.0.1:8080", "http://k1.local/api"]
)
def test_an_address_that_is_not_the_local_server_is_refused(settings: Settings, url: str) -> None:
    """A local server behind another address would never be found."""
    with pytest.raises(SettingError):
        server_properties(settings.model_copy(update={"conductor_server_url": url}))


def test_properties_are_one_a_line() -> None:
    """The file is what Java reads."""
    assert properties_text({"a.b": "1", "c": "2=3"}) == "a.b=1\nc=2=3\n"


def test_the_server_is_described(settings: Settings) -> None:
    """It runs from its own folder, with the heap of the settings and its properties in a file."""
    service = describe(settings.model_copy(update={"server_heap_mb": 700}), "conductor", silent)
    assert service.folder == settings.paths.stack / "conductor"
    assert "-Xmx700m" in service.command
    file = Path(service.environment["CONDUCTOR_CONFIG_FILE"])
    assert f"server.port={settings.conductor_port}\n" in file.read_text(encoding="utf-8")


def test_a_changed_property_changes_the_description(settings: Settings) -> None:
    """What the server reads from its file counts as much as its command line."""
    before = describe(settings, "conductor", silent)
    other = settings.model_copy(update={"conductor_server_url": "http://127.0.0.1:1/api"})
    assert describe(other, "conductor", silent).environment != before.environment
    assert describe(settings, "conductor", silent).environment == before.environment


def test_a_changed_device_changes_the_simulators_description(with_bench: Settings) -> None:
    """A simulated device that moves to another port is served there after the next `up`."""
    before = describe(with_bench, "simulator", silent)
    Inventory(with_bench.paths).remove("bench")
    Inventory(with_bench.paths).add(Device("bench", BENCH.mac, "127.0.0.1", 18081, 13232, kind="simulator"))
    after = describe(with_bench, "simulator", silent)
    assert after.command == before.command == (sys.executable, "-m", "k1nb", "device", "simulate", "bench")
    assert after.environment != before.environment
    assert address(with_bench, "simulator") == "http://127.0.0.1:18081"


def test_a_stop_leaves_workers_their_drain(settings: Settings) -> None:
    """They are killed only after they had time to finish the longest transfer."""
    service = describe(settings, "workers", silent)
    assert service.stop_within > settings.timings.drain > settings.timings.ota_deadline
    assert service.environment["CONDUCTOR_SERVER_URL"] == settings.conductor_server_url


def test_no_service_is_given_a_secret_in_writing(settings: Settings) -> None:
    """Secrets are inherited, never described."""
    for name in ("conductor", "exporter", "workers"):
        environment = describe(settings, name, silent).environment
        assert not [key for key, value in environment.items() if value and "SECRET" in key]
