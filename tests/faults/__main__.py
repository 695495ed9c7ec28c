"""Run the fault matrix and write its table: `python -m tests.faults [--only TEXT …] [--page FILE]`."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from k1nb.config import PREFIX, Settings, load, variables
from k1nb.device import Device, Inventory
from k1nb.paths import write_text
from tests.faults import _artifacts, _case, _commits, _device, _kills, _resume, _schedules
from tests.faults._bench import BENCH, MAC, Bench
from tests.faults._table import Row, read_rows, replaced, write_page, write_rows

SCALE = 0.5
"""Of every wait; smaller, and the server's own start would be too slow for its deadline on a busy machine."""
PAGE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"


@dataclass(frozen=True, slots=True)
class _Fault:
    group: str
    name: str
    run: Callable[[Bench], Row]
    settled: bool = True
    """Whether the device has to run its last good image before."""


_END = ("After all of them", "`k1nb down`")


def _faults() -> Iterator[_Fault]:
    for group, cases in (("Commits and images", _commits.CASES), ("Faults of the device", _device.CASES)):
        for case in cases:
            yield _Fault(group, case.fault, partial(_case.run, group=group, case=case))
    for spoilt in _artifacts.CASES:
        yield _Fault(_artifacts.GROUP, spoilt.fault, partial(_artifacts.run, case=spoilt), settled=False)
    for kill in _kills.KILLS:
        for moment in kill.moments:
            yield _Fault(kill.group, moment, partial(_kills.run, kill=kill, moment=moment))
    for resumed in _resume.CASES:
        yield _Fault(_resume.GROUP, resumed.fault, partial(_resume.run, case=resumed))
    for outage in _schedules.CASES:
        yield _Fault(_schedules.GROUP, outage.fault, partial(_schedules.run, case=outage), settled=False)


def _missing(rows: Sequence[Row]) -> list[str]:
    """Name the rows of the matrix that were not run."""
    whole = [*((fault.group, fault.name) for fault in _faults()), _END]
    there = {(row.group, row.fault) for row in rows}
    return [f"{group}: {fault}" for group, fault in whole if (group, fault) not in there]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked for on the command line."""

    only: Sequence[str]
    page: Path
    home: Path | None

    def wants(self, group: str, fault: str) -> bool:
        """Tell whether this row is asked for."""
        name = f"{group}: {fault}".lower()
        return not self.only or any(text.lower() in name for text in self.only)


def main(arguments: Sequence[str]) -> int:
    """Run the matrix; return 0 where every row is as it must be."""
    choice = _choice(arguments)
    console = Console(stderr=True)
    home = choice.home or Path(tempfile.mkdtemp(prefix="k1nb-faults-"))
    settings = _settings(home)
    bench = Bench(settings)
    kept = home / "rows.json"
    rows = read_rows(kept)
    try:
        for row in _rows(bench, choice, rows):
            row = replace(row, happened=row.happened.replace(str(home), "HOME"))
            rows = replaced(rows, row)
            write_rows(kept, rows)
            write_page(choice.page, rows, scale=SCALE, missing=_missing(rows))
            mark = "[red]wrong[/red]" if row.wrong else "[green]as it must[/green]"
            console.print(f"{mark}  {row.group}: {row.fault}  {row.seconds:.0f} s", soft_wrap=True)
            console.print("   " + " | ".join(row.cells[1:-1]), style="dim", markup=False, soft_wrap=True)
    finally:
        bench.switch_off()
        if choice.home is None:
            bench.down()
            shutil.rmtree(settings.paths.runtime, ignore_errors=True)
            shutil.rmtree(home, ignore_errors=True)
    wrong = sum(bool(row.wrong) for row in rows)
    console.print(f"{len(rows)} rows, {wrong} wrong: {choice.page}", soft_wrap=True)
    return 1 if wrong or not rows else 0


def _choice(arguments: Sequence[str]) -> Choice:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", nargs="+", default=(), metavar="TEXT", help="run only rows whose name contains one")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="write the table there")
    parser.add_argument("--home", type=Path, metavar="FOLDER", help="go on in this home, and leave it running")
    given = parser.parse_args(arguments)
    return Choice(given.only, given.page, given.home)


def _settings(home: Path) -> Settings:
    """Return the settings of the matrix's own home, and no others; the cache is shared."""
    names = {*variables(Settings.model_construct()), "CONDUCTOR_AUTH_SECRET", "GITHUB_WEBHOOK_SECRET"}
    for name in names - {f"{PREFIX}CACHE"}:
        os.environ.pop(name, None)
    os.environ[f"{PREFIX}HOME"] = str(home)
    if (home / "k1nb.toml").exists():
        return load()
    conductor, http, ota, metrics, exporter = _free_ports(5)
    lines = (
        f'conductor_server_url = "http://127.0.0.1:{conductor}/api"',
        f"metrics_port = {metrics}",
        f"exporter_port = {exporter}",
        f"timings_scale = {SCALE}",
        "server_heap_mb = 512",
    )
    write_text(home / "k1nb.toml", "\n".join(lines) + "\n")
    settings = load()
    Inventory(settings.paths).add(Device(BENCH, MAC, "127.0.0.1", http, ota, kind="simulator"))
    return settings


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in held]
    finally:
        for each in held:
            each.close()


def _rows(bench: Bench, choice: Choice, kept: Sequence[Row]) -> Iterator[Row]:
    """Yield what each fault that is asked for leads to; without a choice, what was as it must stands."""
    good = {(row.group, row.fault) for row in kept if not row.wrong and not choice.only}
    bench.up()
    for fault in _faults():
        if choice.wants(fault.group, fault.name) and (fault.group, fault.name) not in good:
            if fault.settled:
                _settle(bench)
            yield fault.run(bench)
    if choice.home is None:
        yield _end(bench)


def _end(bench: Bench) -> Row:
    """Take everything down: no port may be taken, no process alive."""
    began = time.monotonic()
    left = bench.down()
    happened = "no port taken, no process alive" if not left else "; ".join(left)
    return Row(*_END, happened, seconds=time.monotonic() - began, wrong=tuple(left))


def _settle(bench: Bench) -> None:
    """Have the device running its last good image, without faults."""
    bench.switch_on()
    if bench.last_good is not None and bench.running == bench.last_good:
        return
    seen = bench.begin("A good one").end()
    if wrong := list(_case.truth(seen)) or seen.exit_code:
        raise RuntimeError(f"the line does not work even without faults: {wrong}, {seen.delivered}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
