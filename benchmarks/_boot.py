"""How long the server takes until it answers, and until work gets done: `k1nb up` beside `java -jar`."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from benchmarks._measure import Row, home, k1nb
from k1nb import stack
from k1nb.config import Settings, environment
from k1nb.paths import private, write_text
from k1nb.stack._ready import ReadyProbe, apply_shipped_definitions, conductor_ready
from k1nb.stack._supervisor import Supervisor

PEER = "java -jar"


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the start to the first healthy answer and to the first finished work, and the server's CPU."""

    health: float
    ready: float
    cpu: float


def rows(runs: int, say: Callable[[str], None]) -> list[Row]:
    """Measure both in turn; what can be cached is cached before the first run."""
    with home() as settings:
        stack.up(settings, ["conductor"], say)
    ours, theirs = [], []
    for number in range(1, runs + 1):
        theirs.append(_by_jar())
        say(f"boot {number}: {PEER} {theirs[-1]}")
        ours.append(_by_up())
        say(f"boot {number}: k1nb up {ours[-1]}")
    health = ([s.health for s in ours], PEER, [s.health for s in theirs])
    ready = ([s.ready for s in ours], PEER, [s.ready for s in theirs])
    cpu = ([s.cpu for s in ours], PEER, [s.cpu for s in theirs])
    return [
        Row("boot", "to the first healthy answer", "s", *health, aim=0.4),
        Row("boot", "to the first finished work", "s", *ready, aim=0.6),
        Row("boot", "server's CPU until then", "s", *cpu),
    ]


def _by_up() -> Start:
    with home() as settings:
        began = time.monotonic()
        with _watching(settings) as seen:
            subprocess.run(k1nb("up", "conductor", "workers"), check=True, capture_output=True)
            ready = time.monotonic() - began
        pid = Supervisor(settings.paths, settings.timings).process("conductor").pid
        return Start(seen[0] - began, ready, _cpu(pid or 0))


def _by_jar() -> Start:
    with home() as settings:
        java, jar = stack.find_java(settings), stack.server_jar(settings)
        folder = private(settings.paths.stack / "peer")
        properties = folder / "server.properties"
        write_text(properties, f"server.port={settings.conductor_port}\nserver.address=127.0.0.1\n")
        surroundings = environment(settings, CONDUCTOR_CONFIG_FILE=str(properties))
        began = time.monotonic()
        with (
            (folder / "log").open("wb") as log,
            _watching(settings) as seen,
            _child([str(java.path), "-jar", str(jar)], folder, surroundings, log) as server,
        ):
            while not seen:
                time.sleep(0.05)
            apply_shipped_definitions(settings, lambda _: None)
            with _child(k1nb("workers"), folder, surroundings, log):
                probe = ReadyProbe(settings)
                while not probe():
                    time.sleep(settings.timings.service_poll)
                return Start(seen[0] - began, time.monotonic() - began, _cpu(server.pid))


@contextmanager
def _child(
    command: list[str], folder: Path, surroundings: dict[str, str], log: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that is ended afterwards, whatever happens."""
    process = subprocess.Popen(command, cwd=folder, env=surroundings, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _watching(settings: Settings) -> Iterator[list[float]]:
    """Yield a list that gets the moment of the server's first healthy answer."""
    seen: list[float] = []
    ready, over = conductor_ready(settings), threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            if ready():
                seen.append(time.monotonic())
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
