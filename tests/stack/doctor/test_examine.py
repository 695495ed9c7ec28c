"""The doctor on this very machine, healthy and with real damage."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from k1nb.checks import Check, Status, verdict
from k1nb.config import Settings, load
from k1nb.paths import write_text
from k1nb.stack._jar import SERVER
from k1nb.stack.doctor import examine
from k1nb.stack.doctor._facts import ABANDONED
from tests.refusals import listing
from tests.stack.conftest import SmallStack, await_true


def of(checks: list[Check], name: str) -> Check:
    """Return the check of that name."""
    (found,) = [check for check in checks if check.name == name]
    return found


def test_this_machine_is_fit_and_looking_changes_nothing(settings: Settings) -> None:
    """On the machine that runs the tests the doctor finds nothing wrong, and leaves every file as it was."""
    before = listing(settings.home)
    began = time.monotonic()
    checks = examine(settings)
    assert time.monotonic() - began < 20
    assert [c for c in checks if c.status in (Status.FAIL, Status.UNKNOWN)] == []
    assert verdict(checks).passes()
    assert listing(settings.home) == before
    assert not settings.paths.runtime.exists()
    assert all(check.hint for check in checks if check.status is not Status.OK)


def test_settings_that_are_refused_are_a_check(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a wrong setting the doctor still speaks: it names the setting, looks at the programs, and passes nothing."""
    monkeypatch.setenv("METRICS_PORT", "nonsense")
    checks = examine()
    assert of(checks, "settings: valid").status is Status.FAIL
    assert "METRICS_PORT" in of(checks, "settings: valid").evidence
    assert of(checks, "git: found").status is Status.OK
    assert of(checks, "installation: sane").status is Status.UNKNOWN
    assert settings.home.is_dir()


def test_a_server_address_elsewhere_is_refused(settings: Settings) -> None:
    """A server's address that the local target cannot serve fails before anything is started."""
    elsewhere = settings.model_copy(update={"conductor_server_url": "http://192.0.2.1:8080/api"})
    check = of(examine(elsewhere), "settings: valid")
    assert (check.status, check.hint) == (Status.FAIL, "correct or unset CONDUCTOR_SERVER_URL")


def test_a_stranger_on_our_port_is_named(settings: Settings) -> None:
    """A port of ours that another program holds fails, with that program and its pid."""
    program = (
        f"import socket, time; s = socket.create_server(('127.0.0.1', {settings.conductor_port})); print(flush=True)"
    )
    stranger = subprocess.Popen([sys.executable, "-c", f"{program}; time.sleep(600)"], stdout=subprocess.PIPE)
    try:
        assert stranger.stdout
        stranger.stdout.readline()
        check = of(examine(settings), f"port tcp 127.0.0.1:{settings.conductor_port}: for conductor")
        assert check.status is Status.FAIL
        assert f"(pid {stranger.pid})" in check.evidence
    finally:
        stranger.kill()
        stranger.communicate()


def test_our_own_service_on_its_port_is_ours(small: SmallStack, listener: Callable[..., object]) -> None:
    """A port held by the service that it is meant for is OK; once supervisord is dead, the service is left over."""
    small.up(listener("conductor", port=small.settings.conductor_port))  # type: ignore[arg-type]
    pid = small.pid("conductor")
    name = f"port tcp 127.0.0.1:{small.settings.conductor_port}: for conductor"
    checks = examine(small.settings)
    assert f"held by conductor itself (pid {pid})" == of(checks, name).evidence
    assert of(checks, "left over: processes").status is Status.OK
    os.kill(small.supervisor.pid(), signal.SIGKILL)
    await_true(lambda: not small.supervisor.answers())
    checks = examine(small.settings)
    assert f"conductor (pid {pid})" in of(checks, "left over: processes").evidence
    assert "supervisord.pid" in of(checks, "left over: pid files").evidence
    assert of(checks, "service conductor: runs").status is Status.FAIL


def test_what_a_crash_left_is_found(settings: Settings) -> None:
    """A dead host's pid file, a run without its process and a build folder nobody touches are each named."""
    from k1nb.records._staging import Staging

    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    write_text(settings.home / "workers.pid", f"{dead.pid}\n")
    staging = Staging(settings)
    record = staging.begin("daily_health")
    process = record.manifest.process
    assert process
    (record.folder / ".alive").unlink()
    staging.update(record, process=process.model_copy(update={"started": 1.0}))
    old, new = settings.paths.builds / "old", settings.paths.builds / "new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    long_ago = time.time() - ABANDONED.total_seconds() - 60
    os.utime(old, (long_ago, long_ago))
    checks = examine(settings)
    assert "workers.pid" in of(checks, "left over: pid files").evidence
    assert record.id in of(checks, "left over: staged runs").evidence
    assert str(old) in of(checks, "left over: folders").evidence
    assert str(new) not in of(checks, "left over: folders").evidence


def test_a_secret_that_others_can_read_is_found(settings: Settings) -> None:
    """A settings file with a secret in it and a mode of 644 fails."""
    file = settings.paths.settings_file
    file.write_text(file.read_text() + 'github_webhook_secret = "swordfish-9431"\n')
    file.chmod(0o644)
    checks = examine(load())
    assert of(checks, "settings: permissions").hint == f"chmod 600 {file}"
    assert f"github_webhook_secret from {file}" in of(checks, "settings: valid").evidence
    assert not [check for check in checks if "swordfish" in check.evidence]


def test_a_secret_of_the_environment_is_none_of_the_file(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A settings file that others may read is said to hold a secret only where it does."""
    settings.paths.settings_file.chmod(0o644)
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "swordfish-9431")
    check = of(examine(load()), "settings: permissions")
    assert (check.status, "holds no secret" in check.evidence) == (Status.OK, True)
    with settings.paths.settings_file.open("a") as file:
        file.write('github_webhook_secret = "another-8824"\n')
    assert of(examine(load()), "settings: permissions").status is Status.FAIL  # it is overridden, and still there


def test_a_project_that_is_no_clone_is_found(settings: Settings, tmp_path: Path) -> None:
    """A project without git around it, and a repository that is not there, fail; a good one is OK."""
    (tmp_path / "firmware").mkdir()
    lost, good = tmp_path / "lost", tmp_path / "good"
    good.mkdir()
    subprocess.run(["git", "-C", str(good), "init", "--quiet"], check=True)
    (good / "platformio.ini").touch()
    changes = {"platformio_project_path": tmp_path / "firmware", "repositories": {"lost": lost, "good": good}}
    checks = examine(settings.model_copy(update=changes))
    assert of(checks, "project firmware: there").evidence == "no git repository is around it"
    assert of(checks, "project lost: there").evidence == "there is no such folder"
    assert of(checks, "project good: there").status is Status.OK


def test_a_jar_with_a_wrong_sum_is_found(settings: Settings, tmp_path: Path) -> None:
    """A jar whose bytes are others is a FAIL, without being touched; nothing is known of the cache for it yet."""
    settings = settings.model_copy(update={"cache": tmp_path / "cache"})
    path = SERVER.path_in(tmp_path / "cache" / "maven")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no jar")
    checks = examine(settings)
    assert of(checks, "server: jar").status is Status.FAIL
    assert of(checks, "server: start-up cache").status is Status.WARN
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_inventory_that_cannot_be_read_hides_nothing_else(settings: Settings) -> None:
    """A damaged inventory fails, what depends on it is UNKNOWN, and the rest is looked at all the same."""
    write_text(settings.paths.devices / "inventory.json", "{")
    checks = examine(settings)
    assert of(checks, "inventory: sane").status is Status.FAIL
    assert of(checks, "ports: looked at").status is Status.UNKNOWN
    assert of(checks, "java: version").status is Status.OK


def test_a_udp_port_is_looked_at_as_well(settings: Settings, free_port: Callable[[], int]) -> None:
    """The OTA port of a simulated device that somebody else holds is found."""
    from k1nb.device import Device, Inventory

    device = Device("sim", "02:4B:31:00:00:07", "127.0.0.1", free_port(), free_port(), kind="simulator")
    Inventory(settings.paths).add(device)
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", device.ota_port))
        check = of(examine(settings), f"port udp 127.0.0.1:{device.ota_port}: for simulator")
    assert check.status is Status.FAIL
    assert f"(pid {os.getpid()})" in check.evidence
