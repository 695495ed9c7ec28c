"""The official SDKs, each with a worker and a client of its own, on our local target beside our workers.

They come from package registries: `make peers` installs them, and a test says so where they are missing. The npm
package `@conductor-oss/conductor-cli` carries no program: its installation loads one from elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks._our_host import steps
from k1nb.conductor import Conductor, ExecutionStatus
from k1nb.config import Settings, bare_environment
from k1nb.timings import Timings
from k1nb.workers import worker_id
from tests.conductor.builders import unique
from tests.workers.scratch import hosting, settings_for

HOSTS = Path(peers.__file__).parent / "hosts"
Found = Callable[[], tuple[list[str], list[str]]]
CLIENTS = Path(__file__).parent / "clients"


def _python() -> tuple[list[str], list[str]]:
    """Return how the Python SDK's host and client are started."""
    program = str(peers.python_sdk().program)
    return [program, str(HOSTS / "python_sdk.py")], [program, str(CLIENTS / "python_client.py")]


def _javascript() -> tuple[list[str], list[str]]:
    """Return how the JavaScript SDK's host and client are started."""
    peer = peers.javascript_sdk()
    package = str(peer.folder / "node_modules" / peer.package)
    program = str(peer.program)
    host, client = HOSTS / "javascript_sdk.cjs", CLIENTS / "javascript_client.cjs"
    return [program, str(host), package], [program, str(client), package]


@contextmanager
def _serving(command: Sequence[str]) -> Iterator[None]:
    """Run their worker host, and end it."""
    with subprocess.Popen(
        command, env=bare_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.terminate()


async def _beside(settings: Settings, ours: str, client: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run their client while our worker host serves a task type."""
    async with hosting(settings, *steps([ours], 2)):
        return await asyncio.to_thread(
            subprocess.run,
            client,
            env=bare_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.mark.parametrize("found", [_python, _javascript], ids=["python", "javascript"])
def test_an_official_sdk_works_beside_our_workers(conductor_url: str, tmp_path: Path, found: Found) -> None:
    """Its client runs a workflow of a task for its own worker and one for ours, and both clients see the same end."""
    host, client = found()
    workflow, theirs, ours = unique("peer-"), unique("theirs_"), unique("ours_")
    settings = settings_for(conductor_url, tmp_path, timings_scale=0.2)
    with _serving([*host, conductor_url, "2", theirs]):
        done = asyncio.run(_beside(settings, ours, [*client, conductor_url, workflow, theirs, ours]))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["status"], said["output"]) == ("COMPLETED", {"n": 2})
    by_theirs, by_ours = said["workers"]
    assert (by_theirs != worker_id(settings), by_ours) == (True, worker_id(settings))
    with Conductor(conductor_url, Timings()) as conductor:
        execution = conductor.execution(said["id"])
    assert (execution.status, execution.output) == (ExecutionStatus.COMPLETED, {"n": 2})
