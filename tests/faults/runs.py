"""Break runs of notebooks in every way, and write what came of it: `python -m tests.faults.runs [--page FILE]`."""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import nbformat
import psutil

from k1nb import __version__
from k1nb.config import PREFIX, Settings, load, variables
from k1nb.paths import write_text
from k1nb.records import Archive, Record, processes_of, verify
from tests.records.conftest import check, kill_with_watchdog, write

PAGE = Path(__file__).resolve().parents[2] / "docs" / "records-faults.md"
CONTROL_GROUPS = Path("/sys/fs/cgroup")
PATIENCE = 120.0
"""Seconds after which a run that does not end is wrong."""
CHILDREN = (
    "import os, pathlib, signal, subprocess, sys, time\n"
    "subprocess.Popen(['sleep', '300']); subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
    "subprocess.run(['setsid', '--fork', 'sleep', '300'], stdout=subprocess.DEVNULL)\n"
)
"""A child of the kernel's group, one in a session of its own, and one that was forked twice."""
HERE = "pathlib.Path('here').touch(); time.sleep(300)"


@dataclass(frozen=True)
class Fault:
    """One way to break a run, and what must come of it."""

    name: str
    cell: str
    reason: str
    """What the record's reason must contain."""
    verdict: str = "INTERRUPTED"
    exit_code: int = 1
    options: Sequence[str] = ()
    """Of `k1nb run`."""
    environment: dict[str, str] = field(default_factory=dict)
    told: signal.Signals | None = None
    """What the runner is sent once the cell is at work."""
    unwatched: bool = False
    """Whether the runner is killed with the process that waits for its end, so that only the next run moves it in."""
    kernel: dict[str, object] | None = None
    """The notebook's metadata, where it is another than usual."""
    file_size: int = 0
    """Bytes that a file may have, where that is limited."""
    disk: str = ""
    """Size of the file system that the home is on, where that is one of its own; wants root."""
    memory: int = 0
    """Bytes that all processes of the run may have together, where that is limited; wants root."""
    papermill: Sequence[str] = ()
    """Options of papermill, where that runs the notebook."""
    conclude: bool = True


JULIA: dict[str, object] = {"kernelspec": {"name": "julia-1.10", "display_name": "Julia", "language": "julia"}}
FILL = "with open(run.settings.home / 'filler', 'wb', buffering=0) as file:\n    while file.write(b'x' * 1000): pass"
BIG = "print('y' * 3_000_000)"
MEMORY = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31)); bytearray(2**32)"

FAULTS = (
    Fault("a cell raises", "1 / 0", "ZeroDivisionError: division by zero"),
    Fault("a check fails", check("FAIL", "another"), "", verdict="FAIL"),
    Fault("SystemExit(0)", "sys.exit(0)", "left the notebook by SystemExit: 0"),
    Fault("KeyboardInterrupt in the cell", "raise KeyboardInterrupt", "was interrupted: KeyboardInterrupt"),
    Fault("SIGINT to the kernel", "os.kill(os.getpid(), signal.SIGINT); time.sleep(300)", "KeyboardInterrupt"),
    Fault("the kernel calls os._exit(3)", "os._exit(3)", "the kernel ended with exit code 3"),
    Fault("SIGKILL to the kernel", "os.kill(os.getpid(), 9)", "the kernel was killed by SIGKILL"),
    Fault("the kernel crashes (SIGSEGV)", "os.kill(os.getpid(), signal.SIGSEGV)", "the kernel was killed by SIGSEGV"),
    Fault("no memory is left to allocate (RLIMIT_AS)", MEMORY, "MemoryError"),
    Fault(
        "the system kills for want of memory (control group of 400 MiB)",
        "b'x' * 2**30",
        "the kernel ran out of memory: killed by SIGKILL",
        memory=400 * 2**20,
    ),
    Fault("a cell hangs", "time.sleep(300)", "took longer than 3 s", options=("--cell-limit", "3")),
    Fault(
        "the kernel is stopped (SIGSTOP)", "os.kill(os.getpid(), 19)", "longer than 3 s", options=("--cell-limit", "3")
    ),
    Fault("the run takes too long", "time.sleep(300)", "the run took longer than 8 s", options=("--limit", "8")),
    Fault("it never concludes", "pass", "ended before its last cell", conclude=False),
    Fault("it breaks after it concluded", "run.conclude(); 1 / 0", "ZeroDivisionError", conclude=False),
    Fault("SIGINT to the runner", HERE, "stopped by SIGINT", exit_code=130, told=signal.SIGINT),
    Fault("SIGTERM to the runner", HERE, "stopped by SIGTERM", exit_code=143, told=signal.SIGTERM),
    Fault("SIGHUP to the runner", HERE, "stopped by SIGHUP", exit_code=129, told=signal.SIGHUP),
    Fault("SIGKILL to the runner", HERE, "its process ended before", exit_code=-9, told=signal.SIGKILL),
    Fault("SIGKILL to the runner and its watchdog", HERE, "its process ended before", exit_code=-9, unwatched=True),
    Fault("a Julia notebook", "", "it wants the kernel julia-1.10", kernel=JULIA),
    Fault("`papermill --engine k1nb -k other`", "", "it wants the kernel other", papermill=("-k", "other")),
    Fault("a notebook without kernelspec", "", "", verdict="OK", exit_code=0, kernel={}),
    Fault("the kernel does not start", "", "the kernel did not start", environment={"PYTHONHOME": "/nonexistent"}),
    Fault("files may have 1 MB (RLIMIT_FSIZE)", BIG, "the disk is full", file_size=1_000_000),
    Fault("a cell fills the disk (2 MiB tmpfs)", FILL, "No space left on device", disk="2m"),
    Fault("the notebook outgrows the disk (2 MiB tmpfs)", BIG, "its notebook could not be kept", disk="2m"),
)


def main(arguments: Sequence[str]) -> int:
    """Run every fault; return 0 where each left what it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.runs", description=__doc__)
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="write the table there")
    parser.add_argument("--only", nargs="+", default=(), metavar="TEXT", help="only those whose name has one in it")
    asked = parser.parse_args(arguments)
    page = asked.page
    for name in {*variables(Settings.model_construct())} - {f"{PREFIX}CACHE"}:
        os.environ.pop(name, None)
    rows, wrong = [], 0
    for fault in FAULTS:
        if asked.only and not any(text in fault.name for text in asked.only):
            continue
        row, complaints = _row(fault)
        rows.append(row)
        wrong += bool(complaints)
        sys.stderr.write(f"{'WRONG' if complaints else 'as it must'}  {fault.name}  {'; '.join(complaints)}\n")
        write_text(page, _page(rows, wrong), mode=0o644)
    return 1 if wrong else 0


def _row(fault: Fault) -> tuple[tuple[str, ...], list[str]]:
    began = time.monotonic()
    with _folder() as folder, _home(folder, fault.disk) as home, _control_group(fault.memory) as group:
        if home is None or group is None:
            return (fault.name, "not run: it wants root", *("–" for _ in range(5))), []
        exit_code, settings = _break(fault, folder, home, group)
        first = Archive(settings.paths).list()[0]
        if fault.unwatched:
            _begin_another(folder, home)
        else:
            _await(lambda: not list(settings.paths.staging.iterdir()))
        record = Archive(settings.paths).get(first.id)
        left = len(processes_of({record.id})) + len(_strays(folder))
        complaints = [*_complaints(fault, record, exit_code, left), *_unproven(settings)]
        reason = record.reason.replace(str(folder), "…") or "–"
        cells = (fault.name, str(record.verdict), str(exit_code), reason, "verifies", str(left))
        if complaints:
            cells = (*cells[:4], f"**WRONG: {'; '.join(complaints)}**", cells[5])
        return (*cells, f"{time.monotonic() - began:.0f}"), complaints


def _break(fault: Fault, folder: Path, home: Path, group: Path) -> tuple[int, Settings]:
    file = _notebook(fault, folder)
    words = ["k1nb", "run", str(file), *fault.options]
    if fault.papermill:
        words = ["papermill", str(file), str(folder / "out.ipynb"), "--engine", "k1nb", *fault.papermill]
    os.environ[f"{PREFIX}HOME"] = str(home)
    settings = load()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}

    def limit() -> None:
        if fault.file_size:
            resource.setrlimit(resource.RLIMIT_FSIZE, (fault.file_size,) * 2)
        if fault.memory:
            (group / "cgroup.procs").write_text("0")

    runner = subprocess.Popen(  # type: ignore[call-overload] # keywords as a dict
        [sys.executable, *_started_with(fault.environment), *words],
        preexec_fn=limit if fault.file_size or fault.memory else None,
        **quiet,
    )
    try:
        if fault.told or fault.unwatched:
            _await((folder / "here").exists)
        if fault.told:
            runner.send_signal(fault.told)
        if fault.unwatched:
            kill_with_watchdog(runner.pid)
        return runner.wait(PATIENCE), settings
    finally:
        runner.kill()
        runner.wait()


def _started_with(environment: Mapping[str, str]) -> list[str]:
    """Return how Python starts a module whose children have these variables, but which does not start with them."""
    change = f"import os, runpy, sys; os.environ.update({dict(environment)!r}); sys.argv[:1] = []; "
    return (
        ["-c", change + "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"] if environment else ["-m"]
    )


def _notebook(fault: Fault, folder: Path) -> Path:
    cells = [check("OK"), CHILDREN, *filter(None, [fault.cell])]
    file = write(folder, *cells, name="broken", conclude=fault.conclude)
    if fault.kernel is not None:
        notebook = nbformat.read(file, as_version=4)
        notebook.metadata = fault.kernel
        file.write_text(nbformat.writes(notebook), encoding="utf-8")
    return file


def _begin_another(folder: Path, home: Path) -> None:
    file = write(folder, check("OK"), name="next")
    command = [sys.executable, "-m", "k1nb", "run", str(file)]
    subprocess.run(command, env={**os.environ, f"{PREFIX}HOME": str(home)}, check=True, stdout=subprocess.DEVNULL)


def _complaints(fault: Fault, record: Record, exit_code: int, left: int) -> Iterator[str]:
    if str(record.verdict) != fault.verdict:
        yield f"verdict {record.verdict}, not {fault.verdict}"
    if exit_code != fault.exit_code:
        yield f"exit code {exit_code}, not {fault.exit_code}"
    if fault.reason not in record.reason:
        yield f"the reason does not say {fault.reason!r}"
    if left:
        yield f"{left} processes are left"
    if record.executed is None and "could not be kept" not in record.reason:
        yield "the record has no notebook"
    if record.executed is not None:
        noted = nbformat.read(record.executed, as_version=4).metadata.get("k1nb", {}).get("verdict")
        if noted != fault.verdict:
            yield f"the notebook's metadata says {noted}"


def _unproven(settings: Settings) -> Iterator[str]:
    """Yield what `k1nb records verify` says against the archive."""
    for problem in verify(settings.paths).problems:
        yield f"verify: {problem.run} {problem.file}: {problem.what}"


def _strays(folder: Path) -> list[int]:
    """Return the processes that work in the fault's own folder, but for us."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and process.cwd() == str(folder):
                found.append(process.pid)
    return found


def _await(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not question():
        if time.monotonic() > deadline:
            raise TimeoutError("it never came to that")
        time.sleep(0.05)


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="k1nb-runs-")).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _home(folder: Path, disk: str) -> Iterator[Path | None]:
    """Yield a home, on a file system of its own where a size is given; None where that is not allowed."""
    home = folder / "home"
    home.mkdir()
    if not disk:
        yield home
        return
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk}", "k1nb", str(home)], check=False)
    if mounted.returncode:
        yield None
        return
    try:
        yield home
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)


@contextmanager
def _control_group(memory: int) -> Iterator[Path | None]:
    """Yield a control group of so much memory, or a folder that is none; None where that is not allowed.

    Source: cgroups(7), versions 1 and 2.
    """
    if not memory:
        yield Path(os.devnull)
        return
    for root, name in ((CONTROL_GROUPS / "memory", "memory.limit_in_bytes"), (CONTROL_GROUPS, "memory.max")):
        group = root / f"k1nb-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if (group / name).exists():
                (group / name).write_text(str(memory))
                yield group
                return
        finally:
            group.rmdir()
    yield None


def _page(rows: Sequence[Sequence[str]], wrong: int) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("papermill", "nbclient", "ipykernel"))
    head = ("fault", "verdict", "exit code", "reason in the record", "record", "processes left", "seconds")
    lines = [
        "# Faults of runs",
        "",
        "Written by `python -m tests.faults.runs`, which breaks runs of a small notebook on purpose. Before it breaks,",
        "each has one check that is OK and three children: one of the kernel's group, one in a session of its own,",
        "and one that was forked twice. *verifies*: the record is as it was sealed, the chain is whole, the notebook",
        "is in it or the reason says why not, and the notebook's metadata has the same verdict. Nothing else is run",
        "before that is looked at, but where the watchdog is killed too: then one more notebook, which mends it.",
        "",
        f"Last written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC with k1nb {__version__}, {packages},",
        f"Python {platform.python_version()}, {platform.system()}.",
        f"{len(rows)} of {len(FAULTS)} rows, {wrong or 'none'} wrong.",
        "",
        *("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head))),
        *("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
