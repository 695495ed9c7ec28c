"""Tests of the inventory."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.config import Settings
from k1nb.device import Device, Inventory, default_device
from k1nb.errors import StorageError, UnknownName, UsageError
from k1nb.paths import Paths

BENCH = Device("bench", "02:4B:31:00:00:01", "192.168.7.20")
HALL = Device("hall", "02:4B:31:00:00:02", "k1-hall.local", role="production")
DEMO = Device("demo", "02:4B:31:00:00:03", "127.0.0.1", 18080, 13232, kind="simulator")


@pytest.fixture
def inventory(paths: Paths) -> Inventory:
    """An inventory with a bench device, one in the hall, and a simulator."""
    inventory = Inventory(paths)
    for device in (BENCH, HALL, DEMO):
        inventory.add(device)
    return inventory


def test_an_installation_begins_without_devices(paths: Paths) -> None:
    """Without a file the inventory is empty; no address is guessed."""
    assert Inventory(paths).list() == []
    with pytest.raises(UnknownName, match="none yet"):
        Inventory(paths).get("bench")


@pytest.mark.usefixtures("inventory")
def test_what_is_added_is_read_back(paths: Paths) -> None:
    """Devices are kept on disk, in order, with every field."""
    assert Inventory(paths).list() == [BENCH, HALL, DEMO]


@pytest.mark.parametrize(
    ("key", "device"),
    [
        ("bench", BENCH),
        ("02:4B:31:00:00:02", HALL),
        ("02:4b:31:00:00:02", HALL),
        ("02-4b-31-00-00-02", HALL),
        ("192.168.7.20", BENCH),
        ("192.168.7.20:80", BENCH),
        ("K1-Hall.local", HALL),
        ("127.0.0.1:18080", DEMO),
        (" demo ", DEMO),
    ],
)
def test_a_device_is_found_by_name_mac_or_address(inventory: Inventory, key: str, device: Device) -> None:
    """Name, MAC in any spelling, address, and address with the HTTP port all find it."""
    assert inventory.get(key) == device


@pytest.mark.parametrize("key", ["", "benc", "192.168.7.21", "127.0.0.1:80", "192.168.7.20:3232"])
def test_an_unknown_key_lists_what_is_known(inventory: Inventory, key: str) -> None:
    """UnknownName names every device with its place."""
    with pytest.raises(UnknownName) as caught:
        inventory.get(key)
    assert "bench (192.168.7.20:80)" in (caught.value.hint or "")


def test_an_address_of_several_devices_is_not_guessed(inventory: Inventory) -> None:
    """Where one address means two devices, their names are asked for."""
    inventory.add(replace(DEMO, name="other", mac="02:4B:31:00:00:04", http_port=18081, ota_port=13233))
    with pytest.raises(UnknownName, match="demo, other"):
        inventory.get("127.0.0.1")
    assert inventory.get("127.0.0.1:18081").name == "other"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mac": "02:4B:31:00:00:99", "address": "192.168.7.99"}, "name bench"),
        ({"name": "new", "address": "192.168.7.99"}, "MAC 02:4B:31:00:00:01"),
        ({"name": "new", "mac": "02:4B:31:00:00:99"}, "http_port 80 at 192.168.7.20"),
        ({"name": "new", "mac": "02:4B:31:00:00:99", "http_port": 81}, "ota_port 3232 at 192.168.7.20"),
    ],
)
def test_what_belongs_to_another_device_is_refused(inventory: Inventory, changes: dict[str, Any], words: str) -> None:
    """A name, a MAC or a port at an address can belong to one device only; the inventory stays as it was."""
    with pytest.raises(UsageError, match=words):
        inventory.add(replace(BENCH, **changes))
    assert inventory.list() == [BENCH, HALL, DEMO]


def test_a_device_is_taken_out(inventory: Inventory) -> None:
    """remove returns the device and leaves the others."""
    assert inventory.remove("bench") == BENCH
    assert inventory.list() == [HALL, DEMO]
    with pytest.raises(UnknownName):
        inventory.remove("bench")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", ""),
        ("name", "Bench"),
        ("name", "-bench"),
        ("name", "a" * 33),
        ("name", "../x"),
        ("mac", "02:4B:31:00:00"),
        ("mac", "02:4B:31:00:00:0G"),
        ("address", ""),
        ("address", "http://192.168.7.20"),
        ("address", "192.168.7.20:80"),
        ("address", "192.168.7.300"),
        ("address", "a b"),
        ("address", "::1"),
        ("http_port", 0),
        ("http_port", 65536),
        ("ota_port", True),
        ("ota_port", "3232"),
        ("role", "staging"),
        ("kind", "robot"),
    ],
)
def test_what_no_device_can_have_is_refused(key: str, value: object) -> None:
    """A wrong value is a UsageError that names key, value and what is wanted."""
    with pytest.raises(UsageError, match=key) as caught:
        replace(BENCH, **{key: value})  # type: ignore[arg-type]
    assert caught.value.hint
    assert repr(value) in caught.value.message


def test_a_mac_has_one_spelling() -> None:
    """Lower case and dashes are brought into the device's own form."""
    assert replace(BENCH, mac="02-4b-31-aa-bb-cc").mac == "02:4B:31:AA:BB:CC"


def test_a_device_tells_its_place() -> None:
    """base_url and label are made of address and HTTP port."""
    assert (DEMO.base_url, DEMO.label) == ("http://127.0.0.1:18080", "demo (127.0.0.1:18080)")
    assert "k1nb up simulator" in DEMO.retry_hint
    assert "Wi-Fi" in BENCH.retry_hint


@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=60))
def test_any_text_makes_a_device_or_a_usage_error(name: str, mac: str, address: str) -> None:
    """No input raises anything else."""
    try:
        device = Device(name, mac, address)
    except UsageError:
        return
    assert device.base_url.startswith("http://")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"format": 2, "devices": []}',
        '{"format": 1}',
        '{"format": 1, "devices": [{"name": "x"}]}',
        '{"format": 1, "devices": [{"name": "X", "mac": "02:4B:31:00:00:01", "address": "a"}]}',
        '{"format": 1, "devices": [{"name": "x", "mac": "02:4B:31:00:00:01", "address": "a", "more": 1}]}',
        '{"format": 1, "devices": [7]}',
        "\xff",
    ],
)
def test_a_damaged_file_is_named_and_left_alone(inventory: Inventory, text: str) -> None:
    """A file that cannot be read is StorageError, and an add doesn't overwrite it."""
    inventory.file.write_bytes(text.encode("latin-1"))
    with pytest.raises(StorageError, match=r"inventory\.json"):
        inventory.add(replace(BENCH, name="new"))
    assert inventory.file.read_bytes() == text.encode("latin-1")


def _add(paths: Paths, number: int) -> None:
    mac = f"02:4B:31:00:01:{number:02X}"
    Inventory(paths).add(Device(f"k1-{number}", mac, f"192.168.7.{number + 1}"))


def test_processes_that_add_at_the_same_time_all_succeed(paths: Paths) -> None:
    """No addition gets lost between reading and writing."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_add, args=(paths, number)) for number in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(20)
    assert sorted(device.name for device in Inventory(paths).list()) == [f"k1-{n}" for n in range(6)]


def test_the_file_is_private_and_plain(inventory: Inventory) -> None:
    """The inventory is JSON that a person can read and mend, for its owner alone."""
    assert inventory.file.stat().st_mode & 0o777 == 0o600
    assert json.loads(inventory.file.read_text())["devices"][0]["name"] == "bench"


def test_without_a_configured_address_there_is_no_default(settings: Settings) -> None:
    """K1_DEVICE_IP unset means that no device is meant."""
    assert default_device(settings) is None


def test_the_configured_address_must_be_in_the_inventory(settings: Settings) -> None:
    """K1_DEVICE_IP finds a device of the inventory; otherwise the way to add it is named."""
    wanted = settings.model_copy(update={"k1_device_ip": "192.168.7.20"})
    with pytest.raises(UnknownName, match="K1_DEVICE_IP") as caught:
        default_device(wanted)
    assert "k1nb device add" in (caught.value.hint or "")
    Inventory(settings.paths).add(BENCH)
    assert default_device(wanted) == BENCH
