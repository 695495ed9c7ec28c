"""Everything that may talk to one device does so at the same time, each as a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from k1nb.conductor import Conductor, ExecutionStatus
from k1nb.config import Settings, environment
from k1nb.device import Inventory
from tests.conductor.builders import a_use, a_workflow, unique
from tests.conftest import BENCH, FreePort
from tests.exporter.conftest import K1NB, exporting, state_of

LOOKS = 4
"""How many executions, and commands, look at the device beside the exporters and the notebook."""


@pytest.mark.long
def test_exporter_workers_and_a_notebook_are_never_refused(line: Settings, free_port: FreePort) -> None:
    """While two exporters, the workers, a notebook and an operator look at one device, it refuses nobody's call."""
    bench = Inventory(line.paths).get(BENCH)
    before = state_of(bench)["refused_429"]
    hasty = line.model_copy(update={"exporter_port": free_port(), "timings_scale": 0.1})
    with (
        exporting(hasty, K1NB_EXPORTER_PORT=str(hasty.exporter_port), K1NB_TIMINGS_SCALE="0.1") as second,
        _running(line, "run", "daily_health", "-p", f"device={BENCH}") as notebook,
    ):
        executions = _look_by_workers(line)
        for _ in range(LOOKS):
            with _running(line, "device", "info", BENCH) as operator:
                assert operator.wait(60) == 0
        assert notebook.wait(120) in (0, 1)  # its verdict is about more than this device
        with Conductor.from_settings(line) as conductor:
            ended = [conductor.wait(execution) for execution in executions]
        assert {(one.status, one.reason) for one in ended} == {(ExecutionStatus.COMPLETED, "")}
        page = second.await_page(lambda page: "k1_device_tempo_confidence" in page.names)
        assert page.total("k1_device_poll_errors_total", reason="rate_limited") == 0
    assert state_of(bench)["refused_429"] == before


def _look_by_workers(line: Settings) -> list[str]:
    """Have the workers take snapshots of the device, and return the executions."""
    name = unique("looks")
    look = a_use("snapshot_device", inputParameters={"device": BENCH, "artifact_id": "any"})
    with Conductor.from_settings(line) as conductor:
        conductor.put_workflow_definition(a_workflow(look, name=name))
        return [conductor.start(name, {}) for _ in range(LOOKS)]


@contextmanager
def _running(line: Settings, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command beside the block; it is gone afterwards."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*K1NB, *words], env=environment(line), **quiet)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.wait()
