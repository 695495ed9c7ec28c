"""The kernel of a run: started by this interpreter, reached by private sockets, and what its end says."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k1nb.config import Settings
from k1nb.paths import private
from k1nb.records._orphans import adopting
from k1nb.records._processes import end_runs

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

OURS = "python3"
"""Name of the kernel that runs every notebook: this interpreter's own."""


def foreign_kernel(metadata: Mapping[str, Any], asked: str = "") -> str:
    """Say which kernel a notebook wants, or was asked to be run by, that is no Python; empty where ours will do.

    A notebook that names no kernel and no language is Python.
    """
    named, known = metadata.get("kernelspec") or {}, metadata.get("language_info") or {}
    name = str(named.get("name") or "")
    if asked and asked not in (OURS, "python", name):
        return asked
    language = str(named.get("language") or known.get("name") or "")
    if language:
        return "" if language.lower() in ("python", "ipython") else f"{name or 'kernel'} ({language})"
    return "" if not name or name.startswith("python") else name


@contextmanager
def kernel_manager(settings: Settings, run: str) -> Iterator[AsyncKernelManager]:
    """Yield the manager of a kernel that this interpreter runs, with IPC sockets that only its owner can reach.

    Whatever the kernel has started is killed at the end, but for services.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class Manager(AsyncKernelManager):
        at_rest = False
        """Whether it has executed all that it was given."""

        async def _async_interrupt_kernel(self) -> None:
            # On its way out jupyter_client interrupts whatever it finds; a kernel that is just done complains of that.
            if not (self.at_rest and self.shutting_down):
                await super()._async_interrupt_kernel()

    connection = private(settings.paths.runtime) / f"{run[-6:]}.json"
    specifications = KernelSpecManager(kernel_dirs=[])  # none but that of the ipykernel beside us
    manager = Manager(
        transport="ipc", connection_file=str(connection), kernel_spec_manager=specifications, kernel_name=OURS
    )
    with adopting(lambda: getattr(manager.provisioner, "pid", None)) as orphans:
        try:
            yield manager
        finally:
            _end_group(manager)
            end_runs({run}, settings.timings.child_stop)
            if orphans:
                orphans.end(settings.timings.child_stop)
            manager.cleanup_ipc_files()
            connection.unlink(missing_ok=True)


def _end_group(manager: AsyncKernelManager) -> None:
    """Kill the process group that a kernel has led."""
    group = getattr(manager.provisioner, "pgid", None)
    if group and group != os.getpgrp():
        with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
            os.killpg(group, signal.SIGKILL)


def death(code: int | None, memory: Mapping[str, int], memory_now: Mapping[str, int]) -> str:
    """Say what ended a kernel: its exit code, and the counts of `out_of_memory_kills` at its start and now."""
    if code is None:
        return "the kernel died"
    if code >= 0:
        return f"the kernel ended with exit code {code}"
    if code == -signal.SIGKILL:
        for place, count in memory_now.items():
            if count > memory.get(place, count):
                return f"the kernel ran out of memory: killed by SIGKILL, and {place} counts one more such kill"
    return f"the kernel was killed by {_signal_name(-code)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def out_of_memory_kills(root: Path = Path("/")) -> dict[str, int]:
    """Return how often the system has killed for want of memory, by where it says so; nothing where it does not.

    Source: Linux, proc_vmstat(5), cgroups(7): memory.events, and memory.oom_control of version 1.
    """
    counts = {}
    for file in (root / "proc/vmstat", *_groups(root)):
        with suppress(OSError, ValueError):
            lines = (line.split() for line in file.read_text().splitlines())
            counts.update({f"/{file.relative_to(root)}": int(words[1]) for words in lines if words[:1] == ["oom_kill"]})
    return dict(reversed(counts.items()))  # that of the own group says more than that of the whole machine


def _groups(root: Path) -> Iterator[Path]:
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield root / "sys/fs/cgroup" / path.lstrip("/") / "memory.events"
            elif "memory" in controllers.split(","):
                yield root / "sys/fs/cgroup/memory" / path.lstrip("/") / "memory.oom_control"
