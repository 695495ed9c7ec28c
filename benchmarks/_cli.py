"""How long a command takes before it says anything."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from benchmarks._measure import Row, home, k1nb
from k1nb import stack


def rows(runs: int, say: Callable[[str], None]) -> list[Row]:
    """Measure `k1nb --help` and, with the stack running, `k1nb status`; the best run counts."""
    with home() as settings:
        helped = [_seconds("--help") for _ in range(runs)]
        say(f"k1nb --help {min(helped):.2f} s")
        stack.up(settings, ["conductor", "workers"])
        shown = [_seconds("status") for _ in range(runs)]
        say(f"k1nb status {min(shown):.2f} s")
    return [
        Row("command line", "k1nb --help", "s", helped, aim=0.3),
        Row("command line", "k1nb status", "s", shown, aim=0.6),
    ]


def _seconds(*words: str) -> float:
    began = time.monotonic()
    subprocess.run(k1nb(*words), capture_output=True, check=False)
    return time.monotonic() - began
