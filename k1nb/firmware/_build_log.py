"""What a build's log says: sizes, warnings, and why it failed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_TAIL_LINES = 200
_TAIL_BYTES = 65_536

_SIZE = re.compile(r"^(RAM|Flash):\s.*\(used (\d+) bytes from (\d+) bytes\)", re.MULTILINE)
_DIAGNOSTIC = re.compile(r"^([^\s:][^:\n]*):(\d+)(?::(\d+))?: (warning|error|fatal error): (.*)$", re.MULTILINE)
_NETWORK = re.compile(
    r"^(?:HTTPClientError|InternetConnectionError|PackageException|(?:requests|urllib3)\.exceptions\.\w+):.*"
    r"|^.*(?:Temporary failure in name resolution|Could not resolve host|Connection reset by peer).*$",
    re.MULTILINE,
)
_SIGNAL = re.compile(
    r"^.*(?:Killed signal terminated program|internal compiler error: Killed).*$"
    r"|^\*\*\* \[.*\] Error (?:-\d+|1(?:29|3\d|4[0-3])|24[157]|250)$",
    re.MULTILINE,
)
"""A tool ended by a signal: gcc's own words, or SCons' exit code, -n, as a shell's 128 + n or as Python's 256 - n."""
_FAULT = re.compile(
    r"^.*(?:\berror: |undefined reference to |multiple definition of |overflowed by |will not fit).*$"
    r"|^(?:Error|\w+Error|\w+Exception|(?:Unknown|Invalid|Incompatible|Missing)\w+): .*$",
    re.MULTILINE,
)
_REFUSAL = re.compile(r"^(?:scons: )?\*\*\* .*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Usage:
    """What PlatformIO's size check found, in bytes and unrounded percent; None where it said nothing."""

    flash_bytes: int | None = None
    flash_percent: float | None = None
    flash_total: int | None = None
    ram_bytes: int | None = None
    ram_percent: float | None = None
    ram_total: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a build failed, and whether another try would fail the same way."""

    text: str
    final: bool


def read_usage(log_text: str) -> Usage:
    """Return flash and RAM usage from PlatformIO's last size lines, whatever their bars look like."""
    sizes = {name: (int(used), int(total)) for name, used, total in _SIZE.findall(log_text)}
    flash, flash_total = sizes.get("Flash", (None, None))
    ram, ram_total = sizes.get("RAM", (None, None))
    return Usage(flash, _percent(flash, flash_total), flash_total, ram, _percent(ram, ram_total), ram_total)


def count_warnings(log_text: str, project: Path | None) -> int:
    """Return how many places in the project's own sources the compiler warned about, each counted once.

    `project` is the folder of `platformio.ini`: warnings from its `.pio` (libraries), from outside of it
    (platform, framework) and from nowhere are not its own. None counts relative paths only.
    """
    places = {
        (path, line, column, text)
        for name, line, column, kind, text in _DIAGNOSTIC.findall(log_text)
        if kind == "warning" and (path := _own(name, project)) is not None
    }
    return len(places)


def tail(log_text: str) -> str:
    """Return the log's last 200 lines, at most 64 KiB of them."""
    text = "\n".join(log_text.splitlines()[-_TAIL_LINES:])
    return text.encode()[-_TAIL_BYTES:].decode("utf-8", "ignore")


def read_fault(log_text: str) -> Fault:
    """Return the line that says best why a build failed: the compiler's first error before all others.

    A tool that was killed, a failed download and an end without a word (SCons killed) are worth another try.
    """
    for found in _DIAGNOSTIC.finditer(log_text):
        if found[4] != "warning":
            return Fault(found[0], final=True)
    if network := _NETWORK.search(log_text):
        return Fault(f"a download failed: {network[0].strip().removesuffix(':')}", final=False)
    if signal := _SIGNAL.search(log_text):
        return Fault(signal[0].strip(), final=False)
    if fault := _FAULT.search(log_text) or _REFUSAL.search(log_text):
        return Fault(fault[0].strip(), final=True)
    lines = [line for line in log_text.splitlines() if line.strip() and "[FAILED]" not in line]
    return Fault(lines[-1].strip() if lines else "the build printed nothing", final=False)


def _percent(used: int | None, total: int | None) -> float | None:
    return 100 * used / total if used is not None and total else None


def _own(name: str, project: Path | None) -> PurePosixPath | None:
    """Return a source's path relative to the project, or None if it is not the project's own."""
    path = PurePosixPath(name)
    if path.is_absolute():
        if project is None or not path.is_relative_to(project):
            return None
        path = path.relative_to(project)
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return None if not parts or parts[0] in ("..", ".pio") else PurePosixPath(*parts)
