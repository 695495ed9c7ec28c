"""A stack of small services in a home of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil
import pytest

from k1nb.config import Settings
from k1nb.stack import _stack
from k1nb.stack._processes import left_over
from k1nb.stack._services import Endpoint, Service
from k1nb.stack._supervisor import Process, Supervisor

LISTENER = """
import os, signal, socket, sys, time
print("hello from", os.getpid(), "run", repr(os.environ["K1NB_RUN"]), flush=True)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
{extra}
while True:
    time.sleep(60)
"""


@dataclass
class SmallStack:
    """Brings small services up and down as `up` and `down` do with the real ones."""

    settings: Settings
    said: list[str] = field(default_factory=list)

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.settings.paths, self.settings.timings)

    def up(self, *services: Service, everything: bool = False) -> list[str]:
        """Bring services up and return what was said meanwhile."""
        said: list[str] = []
        _stack.bring_up(self.settings, services, said.append, everything=everything)
        return said

    def down(self, *names: str) -> list[str]:
        """Take named services down, or everything."""
        said: list[str] = []
        _stack.take_down(self.settings, names, said.append, everything=not names)
        return said

    def process(self, name: str) -> Process:
        return self.supervisor.process(name)

    def pid(self, name: str) -> int:
        pid = self.process(name).pid
        assert pid
        return pid


@pytest.fixture
def small(settings: Settings) -> Iterator[SmallStack]:
    """Return a stack without services yet; whatever was started is gone afterwards."""
    stack = SmallStack(settings.model_copy(update={"timings_scale": 0.5}))
    yield stack
    stack.down()
    assert left_over(stack.supervisor) == []


@pytest.fixture
def listener(settings: Settings, free_port: Callable[[], int]) -> Callable[..., Service]:
    """Return a function that describes a service listening on a port."""

    def describe(name: str, *, port: int = 0, extra: str = "", **facts: object) -> Service:
        port = port or free_port()
        program = settings.home / f"{name}.py"
        program.write_text(LISTENER.format(extra=extra), encoding="utf-8")
        return Service(
            name=name,
            command=(sys.executable, str(program), str(port)),
            folder=settings.home,
            endpoints=(Endpoint("127.0.0.1", port, "take another port"),),
            settle=1,
            stop_within=3,
            **facts,  # type: ignore[arg-type]
        )

    return describe


def await_true(question: Callable[[], bool], within: float = 20) -> None:
    """Wait until the answer is yes."""
    deadline = time.monotonic() + within
    while not question():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Tell whether there is such a process, zombies excepted."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def suspended(pid: int) -> Iterator[None]:
    """Have a process stopped by a signal for as long as the block lasts; it goes on afterwards if it is still there."""
    process = psutil.Process(pid)
    process.suspend()
    try:
        await_true(lambda: process.status() == psutil.STATUS_STOPPED)  # the signal is taken a moment after it is sent
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            process.resume()
