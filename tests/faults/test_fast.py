"""The part of the fault matrix that every test run has the time for; `make faults` runs the whole."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import httpx
import pytest

from k1nb import delivery
from k1nb.conductor import (
    Conductor,
    Definitions,
    ExecutionStatus,
    TaskStatus,
    apply_definitions,
    load,
    plan_definitions,
)
from k1nb.config import Settings
from k1nb.device import Device, Inventory, parse_faults, simulate
from k1nb.firmware import (
    SAMPLE_PROJECT,
    Commit,
    Grade,
    Ledger,
    Outcome,
    Repository,
    commit_change,
    ensure_sample_repository,
)
from tests.conftest import BENCH, FreePort
from tests.faults._bench import ENVIRONMENT, MAIN
from tests.faults._commits import appended
from tests.faults._table import Row, page

FAULTY = "faulty"


def _register(settings: Settings, definitions: Definitions) -> None:
    with Conductor.from_settings(settings) as server:
        plan = plan_definitions(definitions, server.task_definitions(), server.workflow_definitions())
        apply_definitions(server, definitions, plan)


@pytest.fixture
def impatient(line: Settings) -> Iterator[Settings]:
    """Return the session's stack with definitions that retry after a second; put the shipped ones back."""
    _register(line, load().with_delays(0.02))
    yield line
    _register(line, load())


@pytest.fixture
def faulty(line: Settings, free_port: FreePort) -> Iterator[Device]:
    """Return a simulated device of this test alone, which resets the first transfer in its middle."""
    device = Device(FAULTY, "02:4B:31:00:00:04", "127.0.0.1", free_port(), free_port(), kind="simulator")
    stop, served = asyncio.Event(), asyncio.new_event_loop()
    life = simulate([device], paths=line.paths, timings=line.timings, stop=stop, faults=parse_faults(["cut=50x1"]))
    thread = threading.Thread(target=served.run_until_complete, args=(life,))
    Inventory(line.paths).add(device)
    thread.start()
    yield device
    served.call_soon_threadsafe(stop.set)
    thread.join()
    served.close()
    Inventory(line.paths).remove(FAULTY)


def deliver(settings: Settings, commit: Commit, device: str) -> delivery.Delivery:
    """Deliver a commit with consent to whatever is planned."""
    facts = delivery.observe(
        settings, repo=SAMPLE_PROJECT, branch="main", commit_sha=commit.sha, environment=ENVIRONMENT, device=device
    )
    plan = delivery.plan(facts)
    result = delivery.apply(settings, facts, plan, consent=plan.id)
    assert result is not None
    return result


def flashes(device: Device) -> int:
    """Return how many images a simulated device has accepted."""
    answer = httpx.get(f"{device.base_url}/k1nb/simulator/state", trust_env=False)
    return int(answer.json()["flashes_completed"])


def warning(repository: Repository) -> Commit:
    """Commit a warning in the project's own sources, and mend it in the next commit."""
    file = repository.path / MAIN
    good = file.read_text()
    commit = commit_change(repository, "Warn", {MAIN: appended("\nstatic int never_used;\n")(good)})
    commit_change(repository, "Warn no more", {MAIN: good})
    return commit


def test_a_commit_that_warns_stops_at_the_gate(line: Settings) -> None:
    """A warning in own sources fails build and execution by name, its handler tidies up, and nothing is flashed."""
    device = Inventory(line.paths).get(BENCH)
    before = flashes(device)
    commit = warning(ensure_sample_repository(line.paths))
    result = deliver(line, commit, BENCH)
    assert (result.execution.status, result.outcome, result.grade) == ("FAILED", Outcome.failed, Grade.NONE)
    assert flashes(device) == before
    with Conductor.from_settings(line) as server:
        [build] = server.children(result.execution)
        assert "warnings in own sources: 1" in build.reason
        *_, handler = server.follow(build.output["conductor.failure_workflow"], timings=line.timings)
    assert handler.status is ExecutionStatus.COMPLETED
    wanted = {"commit_sha": commit.sha, "workflow_id": build.id, "cleaned": True}
    assert {name: handler.output[name] for name in wanted} == wanted


@pytest.mark.long
def test_a_transfer_that_is_cut_is_repeated(impatient: Settings, faulty: Device) -> None:
    """The attempt that was cut has failed and left the old image; the next one succeeds, with one flash in all."""
    commit = commit_change(ensure_sample_repository(impatient.paths))
    result = deliver(impatient, commit, FAULTY)
    assert (result.outcome, result.grade) == (Outcome.succeeded, Grade.IDENTIFIED), result.evidence
    assert flashes(faulty) == 1
    with Conductor.from_settings(impatient) as server:
        tasks = [task for child in server.children(result.execution) for task in child.tasks]
    attempts = [task for task in tasks if task.reference == "deploy_firmware_ota"]
    assert [task.status for task in attempts] == [TaskStatus.FAILED, TaskStatus.COMPLETED]
    assert len(Ledger(impatient.paths).history(faulty.mac)) == 1


def test_a_wrong_row_is_shown_in_the_table() -> None:
    """A row that is not as it must be says so in the page, and the page counts it; rows not run are named."""
    rows = [Row("Commits", "warns", "1 flash", wrong=("flashes are to be 0",)), Row("Commits", "fine", "0 flashes")]
    text = page(rows, scale=0.5, missing=["Commits: grows"])
    assert "2 of 3 rows in 0 minutes, 1 wrong" in text
    assert "nothing is known of them: Commits: grows" in text
    assert "| warns | 1 flash; **WRONG: flashes are to be 0** |" in text
