"""Ports: free, held by our own service, or by a stranger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from k1nb.checks import Check, Status
from k1nb.stack._services import Endpoint


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a port."""

    name: str
    pid: int | None = None
    service: str | None = None
    """The service of this home that it is, if it is one."""

    def __str__(self) -> str:
        """Name the process."""
        return f"{self.name} (pid {self.pid})" if self.pid else self.name


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a service wants, and who holds it now."""

    service: str
    endpoint: Endpoint
    holder: Holder | None = None
    refused: str = ""
    """Why nobody could listen there, though nobody does."""

    @property
    def label(self) -> str:
        """The port as `tcp 127.0.0.1:8080`."""
        return f"{self.endpoint.kind} {self.endpoint}"


def port_checks(ports: Sequence[Port]) -> list[Check]:
    """Judge each port by who holds it, and whether two services want the same one."""
    return [*map(_check, ports), *_doubles(ports)]


def _check(port: Port) -> Check:
    name, source = f"port {port.label}: for {port.service}", "bind"
    if port.refused:
        return Check(name, Status.FAIL, f"nobody can listen there: {port.refused}", port.endpoint.remedy, source)
    if port.holder is None:
        return Check(name, Status.OK, "free", source=source)
    if port.holder.service == port.service:
        return Check(name, Status.OK, f"held by {port.service} itself (pid {port.holder.pid})", source=source)
    whose = f"our own {port.holder.service}, " if port.holder.service else ""
    hint = f"stop that program, or {port.endpoint.remedy}"
    return Check(name, Status.FAIL, f"held by {whose}{port.holder}", hint, source)


def _doubles(ports: Iterable[Port]) -> list[Check]:
    wanted: dict[str, list[Port]] = {}
    for port in ports:
        wanted.setdefault(port.label, []).append(port)
    return [
        Check(
            f"port {label}: wanted once",
            Status.FAIL,
            f"{len(several)} want it: {', '.join(port.service for port in several)}",
            several[-1].endpoint.remedy,
            "settings and inventory",
        )
        for label, several in wanted.items()
        if len(several) > 1
    ]
