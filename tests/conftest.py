"""What every test may use: settings of its own, free ports, one Conductor server and one whole stack per session."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis

from k1nb import stack
from k1nb.config import PREFIX, Settings, load, variables
from k1nb.paths import Paths, write_text
from k1nb.stack._processes import left_over
from k1nb.stack._supervisor import Supervisor
from k1nb.timings import Timings

FreePort = Callable[[], int]
BENCH = "bench"
"""Name of the simulated device in the session's stack."""
FIRST_PORT = 20_000
PORTS = 3_000
"""How many each process of a parallel run may give."""
hypothesis.register_profile("short", max_examples=40)
hypothesis.load_profile("short")  # pytest --hypothesis-profile=default has the full hundred


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> Iterator[None]:
    """Keep the settings of whoever runs the tests out of them, the cache excepted."""
    secrets = ("CONDUCTOR_AUTH_SECRET", "GITHUB_WEBHOOK_SECRET")
    ours = (f"{PREFIX}NOTIFY_WEBHOOK_URL", f"{PREFIX}NOTIFY_APPRISE_URLS")
    names = {*variables(Settings.model_construct()), *secrets, *ours} - {f"{PREFIX}CACHE"}
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.delenv(name, raising=False)
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares a stack in one process of a parallel run: the tests of the line, and those of the server."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "_session_home" in names:
            item.add_marker(pytest.mark.xdist_group("line" if "line" in names else "server"))


@pytest.fixture(scope="session")
def free_port() -> FreePort:
    """Return a function that gives a port nobody uses, for TCP and UDP, another one at each call.

    They lie below those that outgoing connections are given; each process of a parallel run has its own thousands.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = FIRST_PORT + PORTS * int(worker)
    candidates = itertools.cycle(random.sample(range(first, first + PORTS), PORTS))  # all of them are used in a run

    def find() -> int:
        return next(port for port in candidates if _is_free(port))

    return find


def _is_free(port: int) -> bool:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        try:
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def make_home(home: Path, free_port: FreePort, **values: object) -> Path:
    """Write a home's settings file, with ports that nobody uses."""
    lines = {
        "conductor_server_url": f"http://127.0.0.1:{free_port()}/api",
        "metrics_port": free_port(),
        "exporter_port": free_port(),
        **values,
    }
    text = "".join(
        f"{key} = {value if isinstance(value, int | float) else repr(value)}\n" for key, value in lines.items()
    )
    write_text(home / "k1nb.toml", text)
    return home


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: FreePort) -> Iterator[Settings]:
    """Return the settings of a fresh home, whose Conductor address is a free port where nothing answers."""
    monkeypatch.setenv("K1NB_HOME", str(make_home(tmp_path / "home", free_port)))
    settings = load()
    yield settings
    shutil.rmtree(settings.paths.runtime, ignore_errors=True)


def processes_of(paths: Paths) -> list[int]:
    """Return the pids of every live process of a home's stack."""
    return [process.pid for process in left_over(Supervisor(paths, Timings()))]


@pytest.fixture(scope="session")
def _session_home(
    tmp_path_factory: pytest.TempPathFactory, free_port: FreePort, _own_environment: None
) -> Iterator[Settings]:
    """Return the settings of the session's stack; end what was started in it."""
    home = make_home(tmp_path_factory.mktemp("session") / "home", free_port, timings_scale=0.5, server_heap_mb=512)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("K1NB_HOME", str(home))
        settings = load()
    yield settings
    stack.down(settings)
    assert not processes_of(settings.paths)
    shutil.rmtree(settings.paths.runtime, ignore_errors=True)


@pytest.fixture(scope="session")
def conductor_url(_session_home: Settings) -> str:
    """Return the API address of the session's Conductor server, with the shipped definitions applied."""
    stack.up(_session_home, ["conductor"])
    return _session_home.conductor_server_url


@pytest.fixture(scope="session")
def conductor_database(_session_home: Settings, conductor_url: str) -> Path:  # noqa: ARG001 - comes first
    """Return the SQLite file of the session's Conductor server."""
    return _session_home.paths.stack / "conductor" / "conductor.sqlite"


@pytest.fixture(scope="session")
def line(_session_home: Settings, conductor_url: str, free_port: FreePort) -> Settings:  # noqa: ARG001 - comes first
    """Return the settings of the session's whole stack: server, workers, and the simulated device `bench`."""
    from k1nb.device import Device, Inventory

    bench = Device(BENCH, "02:4B:31:00:00:02", "127.0.0.1", free_port(), free_port(), kind="simulator")
    Inventory(_session_home.paths).add(bench)
    stack.up(_session_home)
    return _session_home
