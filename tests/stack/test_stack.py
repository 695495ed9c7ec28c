from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from filelock import FileLock
from pydantic import SecretStr

from k1nb import stack
from k1nb.config import Settings
from k1nb.errors import PortTaken, ServiceError, SettingError, UnknownName, UsageError
from k1nb.stack import _stack
from k1nb.stack._memory import Memory
from k1nb.stack._processes import left_over, listens
from k1nb.stack._services import Service
from k1nb.stack._supervisor import Supervisor
from tests.stack.conftest import SmallStack, alive, await_true

Listener = Callable[..., Service]


def test_services_are_ready_when_up_returns(small: SmallStack, listener: Listener) -> None:
    """A service with an endpoint listens on it when `up` returns."""
    one, two = listener("one"), listener("two")
    said = small.up(one, two)
    assert listens(one.endpoints[0], 1)
    assert listens(two.endpoints[0], 1)
    assert [line.split(" after")[0] for line in said] == [
        "starting one",
        "one is ready",
        "starting two",
        "two is ready",
    ]


def test_a_second_up_does_nothing(small: SmallStack, listener: Listener) -> None:
    """What runs already keeps its process, and its readiness is verified again."""
    service = listener("one")
    small.up(service)
    before = small.pid("one")
    assert small.up(service) == ["one is ready"]
    assert small.pid("one") == before


def test_a_taken_port_is_named_with_its_holder(small: SmallStack, listener: Listener) -> None:
    """A port held by another program is refused before the start, with that program's name and pid."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            small.up(listener("one", port=port))
    assert f"127.0.0.1:{port}, wanted by one" in caught.value.message
    assert f"(pid {os.getpid()})" in caught.value.message
    assert caught.value.hint == "stop that program, or take another port"


def test_a_killed_service_comes_back(small: SmallStack, listener: Listener) -> None:
    """A service that is killed with -9 is started again without anybody asking."""
    service = listener("one")
    small.up(service)
    before = small.pid("one")
    os.kill(before, signal.SIGKILL)
    await_true(lambda: small.process("one").pid not in (None, before) and listens(service.endpoints[0], 1))


def test_a_service_that_is_killed_again_and_again_comes_back(small: SmallStack, listener: Listener) -> None:
    """Kills that each hit before a start counts as one do not make supervisord give up."""
    service = replace(listener("one"), settle=60)
    small.up(service)
    for _ in range(4):
        before = small.pid("one")
        os.kill(before, signal.SIGKILL)
        await_true(lambda before=before: small.process("one").pid not in (None, before))  # type: ignore[misc]
    await_true(lambda: listens(service.endpoints[0], 1))


def test_a_service_stopped_on_purpose_stays_stopped(small: SmallStack, listener: Listener) -> None:
    """Bringing up other services leaves it alone; bringing up all starts it."""
    one, two = listener("one"), listener("two")
    small.up(one, two)
    small.down("two")
    small.up(one)
    assert small.process("two").state == "STOPPED"
    assert Memory.read(small.settings).on_purpose == ["two"]
    small.up(one, two)
    assert listens(two.endpoints[0], 1)
    assert Memory.read(small.settings).on_purpose == []


def test_a_service_that_ends_at_once_is_reported_with_its_last_words(small: SmallStack, listener: Listener) -> None:
    """The error quotes the log and names it; the service isn't restarted for ever."""
    bad = listener("bad", extra="print('the disk is full'); sys.exit(7)")
    with pytest.raises(ServiceError, match="the disk is full") as caught:
        small.up(bad)
    assert str(small.supervisor.log("bad")) in str(caught.value.hint)
    assert small.process("bad").pid is None
    assert "the disk is full" in Memory.read(small.settings).failures["bad"]


def test_a_service_that_never_listens_is_reported_and_left_running(small: SmallStack, listener: Listener) -> None:
    """Not being ready in time is an error, but no reason to end a process that may only be slow."""
    mute = replace(listener("mute"), ready=lambda: False, start_within=0.5)
    with pytest.raises(ServiceError, match="not ready within"):
        small.up(mute)
    assert alive(small.pid("mute"))


def test_a_changed_setting_restarts_the_service_and_says_so(small: SmallStack, listener: Listener) -> None:
    """What a service was started with is compared with what it would be started with now."""
    one, two = listener("one"), listener("two")
    small.up(one, two)
    before = small.pid("one"), small.pid("two")
    said = small.up(replace(one, environment={"LOG_LEVEL": "debug"}), two)
    assert said[0] == "one was started with other settings: restarting it"
    assert small.pid("one") != before[0]
    assert small.pid("two") == before[1]
    assert psutil.Process(small.pid("one")).environ()["LOG_LEVEL"] == "debug"


def test_a_changed_secret_restarts_everything(small: SmallStack, listener: Listener) -> None:
    """Secrets reach services by inheritance only, so supervisord itself is started anew."""
    one = listener("one")
    small.up(one)
    keeper = small.supervisor.pid()
    small.settings = small.settings.model_copy(update={"conductor_auth_secret": SecretStr("s3cret-word")})
    said = small.up(one)
    assert said[0].startswith("a secret has changed")
    assert small.supervisor.pid() != keeper
    written = [path for path in small.settings.paths.stack.rglob("*") if path.is_file()]
    assert not [path for path in written if b"s3cret-word" in path.read_bytes()]


def test_down_ends_everything_and_may_be_repeated(small: SmallStack, listener: Listener) -> None:
    """Nothing of the stack is left: no process, no socket; a second `down` has nothing to do."""
    small.up(listener("one"))
    pids = [process.pid for process in left_over(small.supervisor)]
    assert len(pids) == 2
    assert small.down() == ["stopping one"]
    assert not any(alive(pid) for pid in pids)
    assert not small.settings.paths.runtime.exists()
    assert small.down() == []


def test_down_leaves_the_sockets_of_others(small: SmallStack, listener: Listener) -> None:
    """A notebook that brings the stack down keeps the socket of its own kernel, which lives in the same folder."""
    small.up(listener("one"))
    other = small.settings.paths.runtime / "kernel.json"
    other.touch()
    small.down()
    assert [path.name for path in small.settings.paths.runtime.iterdir()] == ["kernel.json"]


def test_a_service_that_ignores_sigterm_is_killed(small: SmallStack, listener: Listener) -> None:
    """After its time a service is killed, with the children it left."""
    stubborn = listener("one", extra="signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork()")
    small.up(replace(stubborn, stop_within=1))
    pids = [process.pid for process in left_over(small.supervisor)]
    assert len(pids) == 3
    small.down("one")
    assert [pid for pid in pids if alive(pid)] == [small.supervisor.pid()]


def test_services_that_lost_their_supervisord_are_ended_before_new_ones_start(
    small: SmallStack, listener: Listener
) -> None:
    """A killed supervisord leaves a service on its port; the next `up` ends it and starts it anew."""
    service = listener("one")
    small.up(service)
    orphan = small.pid("one")
    os.kill(small.supervisor.pid(), signal.SIGKILL)
    await_true(lambda: not small.supervisor.answers())
    assert alive(orphan)
    said = small.up(service)
    assert said[0].startswith("ended what an earlier stack left behind")
    assert not alive(orphan)
    assert small.pid("one") != orphan


def test_down_reaches_services_that_lost_their_supervisord(small: SmallStack, listener: Listener) -> None:
    """What is named is ended, the others are left to the next `up` or `down`."""
    small.up(listener("workers"), listener("simulator"))
    workers, simulator = small.pid("workers"), small.pid("simulator")
    os.kill(small.supervisor.pid(), signal.SIGKILL)
    await_true(lambda: not small.supervisor.answers())
    assert small.down("workers") == ["ended what an earlier stack left behind: workers"]
    assert (alive(workers), alive(simulator)) == (False, True)
    assert small.down() == ["ended what an earlier stack left behind: simulator"]
    assert not alive(simulator)


def test_a_supervisord_whose_socket_is_gone_is_replaced(small: SmallStack, listener: Listener) -> None:
    """Something may clean the temporary folder; the supervisord that nobody can reach is ended."""
    service = listener("one")
    small.up(service)
    before = small.supervisor.pid()
    small.supervisor.socket.unlink()
    small.up(service)
    assert small.supervisor.pid() != before
    assert not alive(before)


def test_a_service_that_is_no_longer_configured_is_dropped(small: SmallStack, listener: Listener) -> None:
    """Bringing up everything ends what this installation does not have."""
    small.up(listener("old"))
    pid = small.pid("old")
    said = small.up(everything=True)
    assert said == ["stopping old: it is no longer configured"]
    assert not alive(pid)
    assert small.supervisor.processes() == {}


def test_services_belong_to_no_run(small: SmallStack, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that was brought up from a notebook's kernel doesn't inherit the kernel's run."""
    monkeypatch.setenv("K1NB_RUN", "run-1")
    small.up(listener("one"))
    await_true(lambda: "run ''" in small.supervisor.log("one").read_text(encoding="utf-8"))


def test_an_unknown_service_is_refused(settings: Settings) -> None:
    """A wrong name lists the right ones."""
    with pytest.raises(UnknownName, match="conductor, simulator, exporter, workers"):
        stack.up(settings, ["grafana"])
    with pytest.raises(UnknownName):
        stack.down(settings, ["grafana"])


def test_a_simulator_without_devices_is_refused(settings: Settings) -> None:
    """There is nothing to simulate while the inventory has no simulated device."""
    with pytest.raises(UsageError, match="no simulated device"):
        stack.up(settings, ["simulator"])


def test_the_local_target_serves_on_loopback_only(settings: Settings) -> None:
    """A server address elsewhere is refused instead of being silently ignored."""
    elsewhere = settings.model_copy(update={"conductor_server_url": "http://192.0.2.7:8080/api"})
    with pytest.raises(SettingError, match="CONDUCTOR_SERVER_URL"):
        stack.up(elsewhere, ["conductor"])


def test_two_at_once_wait_for_each_other(settings: Settings) -> None:
    """Who finds the lock held says so, and gives up in the end instead of meeting the other."""
    hasty = settings.model_copy(update={"timings_scale": 0.001})
    said: list[str] = []
    hasty.paths.stack.mkdir(parents=True)
    with FileLock(hasty.paths.stack / "up.lock"), pytest.raises(ServiceError, match="still at work"):
        stack.down(hasty, on_progress=said.append)
    assert said == ["waiting for another `k1nb up` or `k1nb down` to finish"]


def test_the_order_of_stopping_lets_workers_finish_first() -> None:
    """Workers stop before what they work with: simulated devices, then the server."""
    order = sorted(["conductor", "exporter", "simulator", "workers", "other"], key=_stack._stop_order)
    assert order == ["workers", "exporter", "simulator", "conductor", "other"]


def test_folders_are_private(small: SmallStack, listener: Listener) -> None:
    """Configuration, logs and socket are readable by their owner alone."""
    small.up(listener("one"))
    supervisor: Supervisor = small.supervisor
    private: list[Path] = [small.settings.home, supervisor.folder, supervisor.logs, supervisor.runtime]
    assert [oct(path.stat().st_mode & 0o077) for path in private] == ["0o0"] * 4
    assert sys.executable in (supervisor.folder / "services" / "one.conf").read_text(encoding="utf-8")


def test_what_relies_on_nothing_starts_first(small: SmallStack, listener: Listener) -> None:
    """It is begun before the services in front of it, and waited for in its place: it costs `up` no time."""
    said = small.up(listener("one"), listener("two", early=True))
    assert said[:2] == ["starting two", "starting one"]
    assert [words.partition(" after")[0] for words in said[2:]] == ["one is ready", "two is ready"]


def test_what_nobody_relies_on_stops_nobody(small: SmallStack, listener: Listener) -> None:
    """Where the port of such a service is taken the others are up, and its error is raised afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = listener("two", port=server.getsockname()[1], early=True)
        with pytest.raises(PortTaken, match="wanted by two"):
            small.up(listener("one"), taken, listener("three"))
        assert all(small.pid(name) for name in ("one", "three"))
        assert "wanted by two" in Memory.read(small.settings).failures["two"]
