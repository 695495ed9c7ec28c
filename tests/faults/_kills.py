"""kill -9 of everything that takes part in a delivery, at each step."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

from k1nb.conductor import Task, TaskStatus
from k1nb.firmware import Grade, Outcome
from tests.faults._bench import MAIN, Bench, Change, Going, Seen
from tests.faults._case import row, truth
from tests.faults._commits import ballast
from tests.faults._device import runs_it
from tests.faults._table import Row

Tasks = Mapping[str, Task]
Reached = Callable[[Going], bool]
"""Waits for a moment of a delivery; False where it has passed unseen."""
Victim = Callable[[Bench, Going], int]

BULKY: Mapping[str, Change] = {MAIN: ballast(1_250_000)}
"""Just below the gate, so that the transfer takes long enough to be seen."""


def running(reference: str) -> Reached:
    """Return a wait until a task is being worked on."""
    return lambda going: going.watch(lambda tasks: _is(tasks, reference, TaskStatus.IN_PROGRESS))


def done(reference: str) -> Reached:
    """Return a wait until a task is done."""
    return lambda going: going.watch(lambda tasks: _is(tasks, reference, TaskStatus.COMPLETED))


def _is(tasks: Tasks, reference: str, status: TaskStatus) -> bool:
    return reference in tasks and tasks[reference].status is status


MOMENTS: Mapping[str, Reached] = {
    "while it compiles": running("platformio_compile"),
    "right after the image is stored": done("store_artifact"),
    "after the pre-flight": done("preflight_device"),
    "after the look is kept": done("snapshot_device"),
    "during the transfer": running("deploy_firmware_ota"),
    "in the health window": running("device_health_check"),
    "after the look is put back": done("restore_device"),
    "after the outcome is recorded": done("record_deployment"),
}


def builds(*words: str) -> Reached:
    """Return a wait until a program with all these words in its command line works for the build."""

    def reached(going: Going) -> bool:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and going.process.poll() is None:
            if any(all(word in line for word in words) for line in _lines(going.bench)):
                return True
        return False

    return reached


BUILD_MOMENTS: Mapping[str, Reached] = {
    "as PlatformIO starts": builds("platformio run"),
    "as SCons reads the project": builds("scons"),
    "while a source is compiled": builds("ziglang cc", " -c "),
    "while the image is linked": builds("ziglang cc", "link.ld"),
    "while the image is packed": builds("elf2image"),
}


def _lines(bench: Bench) -> Iterator[str]:
    for process in _below(bench.supervisor.process("workers").pid or 0):
        with suppress(psutil.Error):
            yield " ".join(process.cmdline())


def _below(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


def service(name: str) -> Victim:
    """Return how to find the process of a service."""
    return lambda bench, _: bench.supervisor.process(name).pid or 0


def supervisord(bench: Bench, _going: Going) -> int:
    """Find supervisord."""
    return bench.supervisor.pid()


def platformio(bench: Bench, _going: Going) -> int:
    """Find PlatformIO among the worker host's children."""
    return _first(_below(bench.supervisor.process("workers").pid or 0), "platformio run")


def kernel(_bench: Bench, going: Going) -> int:
    """Find the notebook's kernel among the run's children."""
    return _first(_below(going.process.pid), "ipykernel")


def _first(processes: list[psutil.Process], word: str) -> int:
    for process in processes:
        with suppress(psutil.Error):
            if word in " ".join(process.cmdline()):
                return process.pid
    return 0


@dataclass(frozen=True)
class Kill:
    """What is killed, when, and what it means for the run."""

    name: str
    victim: Victim
    moments: Mapping[str, Reached]
    interrupts: bool = False
    """Whether the run dies with it."""
    leases: float = 1.0
    """Factor on response timeouts: a killed worker's task is lost until its own is over."""

    @property
    def group(self) -> str:
        """What the kills of this kind are called in the table."""
        return f"kill -9 of {self.name}"


KILLS = (
    Kill("PlatformIO", platformio, BUILD_MOMENTS),
    Kill("the notebook's kernel", kernel, MOMENTS, interrupts=True),
    Kill("the worker host", service("workers"), MOMENTS, leases=0.2),
    Kill("Conductor", service("conductor"), MOMENTS),
    Kill("supervisord", supervisord, MOMENTS),
)


def run(bench: Bench, kill: Kill, moment: str) -> Row:
    """Deliver, kill at the moment, and hold the end state to what must be."""
    bench.leases = kill.leases
    bench.define()
    bench.switch_on()
    going = bench.begin(f"Kill {kill.name} {moment}", BULKY)
    wrong: list[str] = []
    if not kill.moments[moment](going):
        wrong.append("the moment was not met")
    pid = kill.victim(bench, going)
    if pid:
        os.kill(pid, signal.SIGKILL)
    else:
        wrong.append("there was nothing to kill")
    by = "by itself"
    if going.stands_still():
        bench.up()
        by = "after `k1nb up`"
    seen = going.end()
    bench.up()
    wrong += [*_judge(kill, seen), *runs_it(bench, seen), *bench.strays()]
    return row(kill.group, moment, seen, wrong, before=f"ended {by}; ")


def _judge(kill: Kill, seen: Seen) -> Iterator[str]:
    yield from truth(seen)
    if seen.delivered.outcome is not Outcome.succeeded or seen.delivered.grade is not Grade.IDENTIFIED:
        yield "the deployment is to succeed, IDENTIFIED"
    if seen.flashes not in (1, 2):
        yield f"{seen.flashes} flashes, 1 is needed and 2 are allowed"
    if kill.interrupts and (seen.verdict, seen.exit_code) != ("INTERRUPTED", 1):
        yield "the run is to be INTERRUPTED with exit code 1"
