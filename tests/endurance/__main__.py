"""Run the endurance runs: `python -m tests.endurance [kills] [day] [rollout] [--executions N] [--page FILE] …`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from k1nb.config import PREFIX, Settings, variables
from tests.endurance import _day, _kills, _rollout
from tests.endurance._page import write

PAGE = Path(__file__).resolve().parents[2] / "docs" / "endurance.md"


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; return 0 where everything is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    parser.add_argument("runs", nargs="*", choices=("kills", "day", "rollout", []), help="all if none is given")
    parser.add_argument("--executions", type=int, default=1000, help="of kills and day")
    parser.add_argument("--kills", type=int, default=5, help="of the worker host, and as many of the server")
    parser.add_argument("--devices", type=int, default=50, help="simulated devices of day and rollout")
    parser.add_argument("--scale", type=float, default=0.2, help="of every wait in the day")
    parser.add_argument("--length", type=float, default=2400, help="seconds that the day is compressed to")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="write the figures there")
    given = parser.parse_args(arguments)
    _forget_settings()
    console = Console(stderr=True)

    def say(text: str) -> None:
        console.print(text, style="dim", markup=False, soft_wrap=True)

    wrong: list[str] = []
    for name in given.runs or ("kills", "day", "rollout"):
        if name == "kills":
            section = _kills.run(given.executions, given.kills, say)
        elif name == "rollout":
            section = _rollout.run(given.devices, given.page.with_name(f"{given.page.stem}-rollout.svg"), say)
        else:
            day = _day.Day(given.executions, given.devices, given.scale, given.length)
            section = _day.run(day, given.page.with_suffix(".svg"), say)
        write(given.page, section)
        wrong += section.wrong
    console.print(f"{'; '.join(wrong) or 'as it must'}: {given.page}", markup=False, soft_wrap=True)
    return 1 if wrong else 0


def _forget_settings() -> None:
    """Keep the settings of whoever runs this out of it, the cache excepted."""
    names = {*variables(Settings.model_construct()), "CONDUCTOR_AUTH_SECRET", "GITHUB_WEBHOOK_SECRET"}
    for name in names - {f"{PREFIX}CACHE"}:
        os.environ.pop(name, None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
