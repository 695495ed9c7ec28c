"""Settings, inventory, projects and server files: facts in, checks out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from k1nb.checks import Status
from k1nb.config import Settings
from k1nb.device import Device, Inventory
from k1nb.errors import SettingError, StorageError, UnknownName
from k1nb.stack.doctor import _facts
from k1nb.stack.doctor._installation import (
    Jar,
    Kept,
    StartUp,
    inventory_checks,
    jar_check,
    permission_checks,
    project_checks,
    settings_checks,
    start_up_check,
)

FILE = Path("/home/k1nb/k1nb.toml")
BENCH = Device("bench", "02:4B:31:00:00:02", "127.0.0.1", 8001, 8002, kind="simulator")
STAGE = Device("stage", "02:4B:31:00:00:03", "192.0.2.10", role="production")
JAR = Jar(Path("/c/server.jar"), "conductor-server 1", 458_000_000, True, datetime(2026, 3, 1, tzinfo=UTC))
FAST = StartUp(Path("/c/s"), supported=True, unpacked=True, cache=Path("/c/s/a.aot"), size=9_000_000, others=0)


def test_settings_say_where_they_come_from() -> None:
    """Each setting that is not at its default is named with its origin; a refused one fails with its remedy."""
    (check,) = settings_checks({"metrics_port": "the environment", "java": str(FILE)})
    assert (check.status, check.evidence) == (Status.OK, f"java from {FILE}, metrics_port from the environment")
    (refused,) = settings_checks({}, refused=SettingError("unknown setting 'homme'", hint="did you mean home?"))
    assert (refused.status, refused.hint) == (Status.FAIL, "did you mean home?")


@pytest.mark.parametrize(
    ("kept", "status", "said"),
    [
        ([], Status.OK, "yet"),
        ([Kept(FILE, 0o100600, ours=True, secret=True)], Status.OK, "1 file for its owner alone"),
        ([Kept(FILE, 0o100644, ours=True, secret=False)], Status.OK, f"{FILE} holds no secret, and others may read it"),
        ([Kept(FILE, 0o100644, ours=True, secret=True)], Status.FAIL, "mode 0644"),
        ([Kept(FILE, 0o100640, ours=True, secret=True)], Status.FAIL, "others can read"),
        ([Kept(FILE, 0o100660, ours=True, secret=False)], Status.FAIL, "changed by others"),
        ([Kept(FILE, 0o100600, ours=False, secret=False)], Status.FAIL, "another user"),
    ],
)
def test_secrets_are_for_their_owner_alone(kept: list[Kept], status: Status, said: str) -> None:
    """A file that others may change, or that holds a secret they may read, fails with the chmod that mends it."""
    (check,) = permission_checks(kept)
    assert check.status is status
    assert said in check.evidence
    assert ("owner alone" in check.evidence) is (said == "1 file for its owner alone")
    if status is Status.FAIL:
        assert str(FILE) in str(check.hint)


@pytest.mark.parametrize(
    ("devices", "status", "said"),
    [
        ([BENCH, STAGE], Status.OK, "2 devices, 1 of them simulated, 1 in production"),
        ([], Status.NOT_CONFIGURED, "no device"),
        ([BENCH, replace(STAGE, mac=BENCH.mac)], Status.FAIL, "MAC 02:4B:31:00:00:02 is both bench's and stage's"),
        ([STAGE, replace(STAGE, name="two", mac=BENCH.mac)], Status.FAIL, "http_port 80 at 192.0.2.10"),
        (StorageError("cannot read it", hint="mend the file"), Status.FAIL, "cannot read it"),
    ],
)
def test_an_inventory_lists_nothing_twice(devices: Any, status: Status, said: str) -> None:
    """Two entries with one MAC or one place are named; an unreadable inventory fails with its own words."""
    (check,) = inventory_checks(devices, FILE, None)
    assert check.status is status
    assert said in check.evidence


@pytest.mark.parametrize(
    ("default", "status"),
    [(BENCH, Status.OK), (UnknownName("it means several devices", hint="name one"), Status.FAIL)],
)
def test_the_default_device_is_one_of_the_inventory(default: Device | UnknownName, status: Status) -> None:
    """A K1_DEVICE_IP that means no device, or several, fails, for it is never connected to."""
    assert inventory_checks([BENCH, STAGE], FILE, default)[-1].status is status


@pytest.mark.parametrize(
    ("meant", "status"),
    [("127.0.0.1", Status.FAIL), ("127.0.0.1:8001", Status.OK), ("bench", Status.OK), ("192.0.2.99", Status.FAIL)],
)
def test_the_default_device_is_judged_as_it_is_used(settings: Settings, meant: str, status: Status) -> None:
    """The doctor means the device that a deployment would mean, by whatever it is named."""
    there = Inventory(settings.paths)
    there.add(Device("bench", "02:4B:31:00:00:01", "127.0.0.1", 8001, 9001))
    there.add(Device("other", "02:4B:31:00:00:02", "127.0.0.1", 8002, 9002))
    found = _facts.default(settings.model_copy(update={"k1_device_ip": meant}))
    assert inventory_checks(there.list(), FILE, found)[-1].status is status


def test_projects_are_there_or_named() -> None:
    """A project that cannot be built fails with why; none at all is not counted."""
    good, bad = project_checks({"k1": (Path("/k1"), ""), "k2": (Path("/k2"), "it is no git clone")})
    assert (good.status, bad.status, bad.evidence) == (Status.OK, Status.FAIL, "it is no git clone")
    assert project_checks({})[0].status is Status.NOT_CONFIGURED


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({}, Status.OK, "sum verified at 2026-03-01 00:00 UTC"),
        ({"verified_at": None}, Status.OK, "sum verified now"),
        ({"size": None}, Status.WARN, "not here yet"),
        ({"sum_is_right": False}, Status.FAIL, "its sum is wrong"),
    ],
)
def test_the_jar_is_there_with_its_sum(changes: dict[str, Any], status: Status, said: str) -> None:
    """A missing jar is fetched at the next start, a damaged one is a FAIL."""
    check = jar_check(replace(JAR, **changes))
    assert check.status is status
    assert said in check.evidence


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({}, Status.OK, "fits this Java and jar, 8 MiB"),
        ({"others": 2}, Status.OK, "2 more for another Java"),
        ({"size": None}, Status.WARN, "none yet"),
        ({"unpacked": False}, Status.WARN, "none yet"),
        ({"size": None, "others": 1}, Status.WARN, "none fits"),
        ({"size": None, "failed": "no space"}, Status.WARN, "could not be made: no space"),
        ({"supported": False, "size": None}, Status.NOT_CONFIGURED, "this Java makes none"),
    ],
)
def test_the_start_up_cache_fits_or_says_why_not(changes: dict[str, Any], status: Status, said: str) -> None:
    """A cache that is missing, made for another Java or impossible to make is said, with the next step."""
    check = start_up_check(replace(FAST, **changes))
    assert check.status is status
    assert said in check.evidence
    assert (check.hint is None) is (status is Status.OK)


def test_without_jar_or_java_nothing_is_known_of_the_cache() -> None:
    """What the cache depends on is missing, so it is UNKNOWN and not OK."""
    assert start_up_check(None).status is Status.UNKNOWN
