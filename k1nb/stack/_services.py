"""The services of the local target: what is run, with what, on which ports."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from k1nb import __version__
from k1nb.config import Settings, variables
from k1nb.errors import SettingError, UnknownName, UsageError
from k1nb.paths import private, write_text
from k1nb.stack._jar import SERVER, Notify, ignore, server_jar
from k1nb.stack._java import Java, find_java

if TYPE_CHECKING:
    from k1nb.device import Device
    from k1nb.stack._boot import Training

CONDUCTOR, SIMULATOR, EXPORTER, WORKERS = "conductor", "simulator", "exporter", "workers"
SERVICES = (CONDUCTOR, SIMULATOR, EXPORTER, WORKERS)
"""In the order they are started; stopped the other way round, so that no worker loses what it works with."""

HOST = "127.0.0.1"
_PROPERTIES = "conductor.properties"
DATABASE = "conductor.sqlite"
_DATABASE_OPTIONS = "busy_timeout=15000&journal_mode=WAL&transaction_mode=IMMEDIATE"
_LOOPBACK = (HOST, "localhost")
JAVA_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "--enable-native-access=ALL-UNNAMED",  # SQLite's library; without it each start warns
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that a service listens on."""

    host: str
    port: int
    remedy: str
    """How to give the service another port."""
    kind: Literal["tcp", "udp"] = "tcp"

    def __str__(self) -> str:
        """Give the address as `host:port`."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the stack and how it is kept."""

    name: str
    command: tuple[str, ...]
    folder: Path
    """Working directory."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to what every service inherits; no secrets. A change restarts the service."""
    endpoints: tuple[Endpoint, ...] = ()
    ready: Callable[[], bool] | None = None
    """Tells whether the service does its work; without it, that its TCP endpoints answer counts."""
    once_ready: Callable[[Notify], None] | None = None
    """What the services after it rely on; done at each `up`, so it does nothing where nothing is to do."""
    early: bool = False
    """It relies on no other service: it is started before them all, and becomes ready while they do."""
    settle: float = 2.0
    """Seconds it must live for its start to count as one."""
    start_within: float = 20.0
    stop_within: float = 30.0
    """Seconds from SIGTERM to SIGKILL."""


def describe(settings: Settings, name: str, notify: Notify) -> Service:
    """Return the service of that name, with all it needs at hand.

    Raises PrerequisiteError or DownloadError where that cannot be had, UsageError where it makes no sense.
    """
    describers = {CONDUCTOR: _conductor, SIMULATOR: _simulator, EXPORTER: _exporter, WORKERS: _workers}
    return describers[name](settings, notify)


def configured(settings: Settings) -> tuple[str, ...]:
    """Return the names of the services this installation has, in the order they are started."""
    return tuple(name for name in SERVICES if name != SIMULATOR or simulators(settings))


def chosen(settings: Settings, names: Sequence[str]) -> tuple[str, ...]:
    """Return the named services, or all, in the order they are started; raises UnknownName and UsageError."""
    unknown = [name for name in names if name not in SERVICES]
    if unknown:
        raise UnknownName(f"there is no service {unknown[0]!r}", hint=f"known are {', '.join(SERVICES)}")
    known = configured(settings)
    if SIMULATOR in names and SIMULATOR not in known:
        raise UsageError("the inventory has no simulated device", hint="add one with `k1nb device add`")
    return tuple(name for name in known if name in names or not names)


def simulators(settings: Settings) -> list[Device]:
    """Return the simulated devices of the inventory."""
    from k1nb.device import Inventory

    return [device for device in Inventory(settings.paths).list() if device.kind == "simulator"]


def endpoints(settings: Settings, name: str) -> tuple[Endpoint, ...]:
    """Return what the service listens on."""
    if name == CONDUCTOR:
        return (Endpoint(HOST, settings.conductor_port, "set CONDUCTOR_SERVER_URL to another port"),)
    if name == EXPORTER:
        return (Endpoint(HOST, settings.exporter_port, "set K1NB_EXPORTER_PORT to another port"),)
    if name == WORKERS:
        return (Endpoint(HOST, settings.metrics_port, "set METRICS_PORT to another port"),)
    remedy = "give the simulated device other ports"
    web = [Endpoint(device.address, device.http_port, remedy) for device in simulators(settings)]
    ota = [Endpoint(device.address, device.ota_port, remedy, "udp") for device in simulators(settings)]
    return (*web, *ota)


def address(settings: Settings, name: str) -> str:
    """Return the URLs under which the service is reached, separated by blanks."""
    if name == CONDUCTOR:
        return settings.conductor_server_url
    if name == EXPORTER:
        return f"http://{HOST}:{settings.exporter_port}/metrics"
    if name == WORKERS:
        return f"http://{HOST}:{settings.metrics_port}/metrics"
    return " ".join(f"http://{end}" for end in endpoints(settings, name) if end.kind == "tcp")


def server_properties(settings: Settings) -> dict[str, str]:
    """Return the properties of the local Conductor server; each deviation from a default has its reason."""
    require_loopback(settings)
    return {
        "server.port": str(settings.conductor_port),
        "server.address": HOST,
        # Relative to the working directory, which is the service's own. A transaction that begins by reading and then
        # writes is refused at once while another one writes, and an execution fails for good by that; one that is
        # immediate waits for its turn. Only `clear_index` can clear the index then (docs/adr/0011).
        "spring.datasource.url": f"jdbc:sqlite:{DATABASE}?{_DATABASE_OPTIONS}",
        # about twenty pollers and their errors less
        "conductor.integrations.ai.enabled": "false",
        # there is none, and its probe would make /actuator/health say DOWN
        "management.health.elasticsearch.enabled": "false",
        "conductor.app.ownerEmailMandatory": "true",
        # The default of 500 ms makes the sweeper forget executions under load; the lock of one that has just ended is
        # waited for in vain, so this is longer than a holder waits for the database and shorter than a client waits.
        "conductor.app.lockTimeToTry": "20s",
        # A task that is polled while the server still decides is looked at again only at the workflow's own time-out,
        # by default up to an hour later: a lost worker goes unnoticed that long. It costs one look per execution.
        "conductor.app.maxPostponeDurationSeconds": "15",
        # otherwise it makes a folder in the user's home
        "conductor.file-storage.parentDir": "tmp",
        "loadSample": "false",
    }


def properties_text(properties: Mapping[str, str]) -> str:
    """Write properties in Java's format."""
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def require_loopback(settings: Settings) -> None:
    """Raise SettingError where CONDUCTOR_SERVER_URL is no address that the local server can be given."""
    parts = urlsplit(settings.conductor_server_url)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK or parts.path != "/api":
        raise SettingError(
            f"the local target serves http://{HOST}:PORT/api, not {settings.conductor_server_url}",
            hint="correct or unset CONDUCTOR_SERVER_URL",
        )


def expected(settings: Settings, name: str) -> Service | None:
    """Return the service of that name as it would be started now; None where something must be fetched or made first.

    Only for a service that was started before, for then nothing is made here. Raises PrerequisiteError.
    """
    if name != CONDUCTOR:
        return describe(settings, name, ignore)
    from k1nb.stack._boot import boot_now

    java, jar = find_java(settings), SERVER.path_in(settings.cache / "maven")
    start = boot_now(java, jar, JAVA_OPTIONS, settings.cache) if jar.is_file() else None
    return None if start is None else _server(settings, java, start)


def _conductor(settings: Settings, notify: Notify) -> Service:
    from k1nb.stack._boot import boot

    text = properties_text(server_properties(settings))
    java, jar = find_java(settings), server_jar(settings, notify)
    start = boot(java, jar, JAVA_OPTIONS, settings.cache, _training(settings), notify)
    service = _server(settings, java, start)
    private(private(service.folder) / "tmp")
    write_text(service.folder / _PROPERTIES, text)
    return service


def _server(settings: Settings, java: Java, start: Sequence[str]) -> Service:
    """Describe the server, started with these arguments; touches nothing."""
    from k1nb.stack._ready import apply_shipped_definitions, conductor_ready

    folder = settings.paths.stack / CONDUCTOR
    own = (f"-Xmx{settings.server_heap_mb}m", f"-Djava.io.tmpdir={folder / 'tmp'}")
    return Service(
        name=CONDUCTOR,
        command=(str(java.path), *JAVA_OPTIONS, *own, *start),
        folder=folder,
        environment={
            "CONDUCTOR_CONFIG_FILE": str(folder / _PROPERTIES),
            **_revision(properties_text(server_properties(settings))),
        },
        endpoints=endpoints(settings, CONDUCTOR),
        ready=conductor_ready(settings),
        once_ready=partial(apply_shipped_definitions, settings),
        settle=settings.timings.service_start,
        start_within=settings.timings.conductor_ready,
        stop_within=settings.timings.service_stop,
    )


def _training(settings: Settings) -> Training:
    """Describe a server that nobody uses: the local one, but on a free port."""
    from k1nb._http import free_port
    from k1nb.stack._boot import Training
    from k1nb.stack._ready import conductor_ready

    elsewhere = settings.model_copy(update={"conductor_server_url": f"http://{HOST}:{free_port()}/api"})
    return Training(properties_text(server_properties(elsewhere)), conductor_ready(elsewhere), settings.timings)


def _simulator(settings: Settings, _: Notify) -> Service:
    devices = simulators(settings)
    facts = [[device.name, device.mac, device.address, device.http_port, device.ota_port] for device in devices]
    return Service(
        name=SIMULATOR,
        command=(sys.executable, "-m", "k1nb", "device", "simulate", *(device.name for device in devices)),
        folder=private(settings.paths.stack / SIMULATOR),
        environment={**variables(settings), **_revision(json.dumps([__version__, facts]))},
        endpoints=endpoints(settings, SIMULATOR),
        settle=settings.timings.service_start / 10,
        start_within=settings.timings.service_start,
        stop_within=settings.timings.service_stop,
    )


def _exporter(settings: Settings, _: Notify) -> Service:
    from k1nb.stack._ready import metrics_ready

    return Service(
        name=EXPORTER,
        command=(sys.executable, "-m", "k1nb", "exporter"),
        folder=private(settings.paths.stack / EXPORTER),
        environment={**variables(settings), **_revision(__version__)},
        endpoints=endpoints(settings, EXPORTER),
        ready=metrics_ready(settings),
        early=True,
        settle=settings.timings.service_start / 10,
        start_within=settings.timings.service_start,
        stop_within=settings.timings.service_stop,
    )


def _workers(settings: Settings, _: Notify) -> Service:
    from k1nb.stack._ready import ReadyProbe

    return Service(
        name=WORKERS,
        command=(sys.executable, "-m", "k1nb", "workers"),
        folder=private(settings.paths.stack / WORKERS),
        environment={**variables(settings), **_revision(__version__)},
        endpoints=endpoints(settings, WORKERS),
        ready=ReadyProbe(settings),
        settle=settings.timings.service_start / 10,
        start_within=settings.timings.probe_ready,
        # above the longest drain, so that a stop never cuts a transfer
        stop_within=settings.timings.drain + 10,
    )


def _revision(text: str) -> dict[str, str]:
    """Return a variable that changes with `text`, so that a service is restarted when what it reads has changed."""
    return {"STACK_REVISION": hashlib.sha256(text.encode()).hexdigest()[:16]}
