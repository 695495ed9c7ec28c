"""What notebooks ask for beside the rooms' own checks."""

from __future__ import annotations

import asyncio

import pytest

from k1nb.checks import Status, Verdict, verdict
from k1nb.conductor import Execution, ExecutionStatus, Task, TaskStatus
from k1nb.config import Settings
from k1nb.device import Device, Inventory
from k1nb.errors import UnknownName
from k1nb.records import children_of, devices_meant, executions_since, not_configured, readings_of

ONE = Device("one", "02:4B:31:00:00:0A", "192.0.2.1")
TWO = Device("two", "02:4B:31:00:00:0B", "192.0.2.2")


@pytest.fixture
def stocked(settings: Settings) -> Settings:
    """Return settings whose inventory has two devices."""
    for device in (ONE, TWO):
        Inventory(settings.paths).add(device)
    return settings


def test_an_empty_key_means_the_whole_inventory(stocked: Settings) -> None:
    """Without a name every device is meant, and nothing is to be said about it."""
    assert devices_meant(stocked) == ([ONE, TWO], [])


def test_a_key_means_one_device(stocked: Settings) -> None:
    """A name, MAC or address means that device; an unknown one is refused."""
    for key in ("two", "02:4b:31:00:00:0b", "192.0.2.2"):
        assert devices_meant(stocked, key)[0] == [TWO]
    with pytest.raises(UnknownName):
        devices_meant(stocked, "three")


def test_an_unlisted_address_is_a_warning_not_a_guess(stocked: Settings) -> None:
    """A K1_DEVICE_IP that no device of the inventory has is named in a WARN, and is not among the devices meant."""
    elsewhere = stocked.model_copy(update={"k1_device_ip": "192.0.2.99"})
    devices, (check,) = devices_meant(elsewhere)
    assert devices == [ONE, TWO]
    assert (check.status, check.source) == (Status.WARN, "K1_DEVICE_IP")
    assert "192.0.2.99" in check.evidence
    assert check.hint


def test_a_listed_address_needs_no_words(stocked: Settings) -> None:
    """A K1_DEVICE_IP that the inventory knows is no finding."""
    assert devices_meant(stocked.model_copy(update={"k1_device_ip": "192.0.2.1"}))[1] == []


def test_an_empty_inventory_is_listed(settings: Settings) -> None:
    """Where no device is listed, the record says so and does not count it."""
    devices, (check,) = devices_meant(settings)
    assert devices == []
    assert check.status is Status.NOT_CONFIGURED


def test_what_is_not_set_up_has_a_reason_and_does_not_count(settings: Settings) -> None:
    """Each thing that is not looked at is listed with its reason; alone they prove nothing."""
    found = not_configured(settings)
    assert found
    assert all(c.status is Status.NOT_CONFIGURED and c.evidence and c.hint for c in found)
    assert verdict(found) is Verdict.UNKNOWN


def test_a_silent_server_gives_none_and_no_error(settings: Settings) -> None:
    """Where no server answers, executions are unknown rather than none, and an execution's children are not found."""
    assert executions_since(settings, 24) is None
    task = Task("t", "r", "t", "SUB_WORKFLOW", TaskStatus.COMPLETED, child_id="c")
    assert children_of(settings, Execution("e", "n", 1, ExecutionStatus.COMPLETED, tasks=(task,))) == []


def test_a_silent_device_has_no_readings(settings: Settings, free_port: object) -> None:
    """A device that does not answer has None for its readings; the others keep theirs."""
    assert callable(free_port)
    silent = Device("silent", "02:4B:31:00:00:0C", "127.0.0.1", free_port())
    quick = settings.model_copy(update={"timings_scale": 0.05})
    assert asyncio.run(readings_of(quick, [silent])) == {"silent": None}
