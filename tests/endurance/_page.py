"""The page of the endurance runs: one section for each, replaced when it is run again."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from k1nb import __version__
from k1nb.paths import write_text
from k1nb.stack._jar import SERVER

_HEAD = """# Endurance

Written by `make endurance`, which runs long and wants a quiet machine. Each section is one run on a stack of its own.
"""
WHAT = {
    "Kills": "Executions run while the worker host and the server are killed (`kill -9`) in turn, evenly over the "
    "work. Each task has an effect that is journaled under execution and reference name; each execution is started "
    "under a natural key that is asked for first. All must complete, and no effect may happen twice.",
    "A day": "A day at ten times the expected volume, compressed: deployments to simulated devices, every fifth of "
    "which brings another image, the others what the device already runs. All must complete, each image must be "
    "flashed once, and memory must be flat.",
    "Rollouts": "Three rollouts over one fleet of simulated devices: a good image, while the command line, the worker "
    "host and the server are killed (`kill -9`) in turn; an image that is unhealthy, which must stop at its canary; "
    "and a good one with three flaky devices, below the threshold. Images differ in bytes alone. No device may be "
    "flashed twice, but for the canary's way back. The figure is the third rollout.",
}
"""What each section is about, in the order of the page."""


@dataclass(frozen=True, slots=True)
class Section:
    """What one run has to tell."""

    name: str
    figure: str
    """Name of a figure beside the page; empty without one."""
    rows: Sequence[tuple[str, str]]
    wrong: Sequence[str]

    def text(self) -> str:
        """Return the section in Markdown."""
        memory = f"{psutil.virtual_memory().total / 2**30:.0f} GiB"
        verdict = "As it must." if not self.wrong else "Wrong: " + "; ".join(self.wrong) + "."
        lines = [
            f"## {self.name}",
            "",
            WHAT[self.name],
            "",
            f"Last run {datetime.now(UTC):%Y-%m-%d %H:%M} UTC with k1nb {__version__}, Conductor OSS {SERVER.version}, "
            f"Python {platform.python_version()}; {platform.machine()}, {psutil.cpu_count()} cores, {memory}.",
            "",
            f"**{verdict}**",
            "",
            *([f"![{self.name}]({self.figure})", ""] if self.figure else []),
            "| | |",
            "| --- | --- |",
            *(f"| {name} | {value} |" for name, value in self.rows),
        ]
        return "\n".join(lines) + "\n"


def write(page: Path, section: Section) -> None:
    """Put a section into the page; the others stay as they are."""
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    kept = {text.splitlines()[0]: f"## {text.rstrip()}\n" for text in re.split(r"^## ", before, flags=re.MULTILINE)[1:]}
    kept[section.name] = section.text()
    write_text(page, "\n".join([_HEAD, *(kept[name] for name in WHAT if name in kept)]), mode=0o644)
