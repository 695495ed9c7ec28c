"""The line: from a git commit to a device that is proven to run it, on real parts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from k1nb import delivery
from k1nb._http import run
from k1nb.conductor import Conductor, ExecutionStatus
from k1nb.config import Settings
from k1nb.device import DeviceClient, Inventory
from k1nb.errors import ConsentError
from k1nb.firmware import SAMPLE_PROJECT, Commit, Grade, Ledger, Outcome, commit_change, ensure_sample_repository
from tests.cli.test_app import k1nb
from tests.conftest import BENCH
from tests.test_json import held

ENVIRONMENT = "esp32-s3-devkitc-1"


def observe(settings: Settings, commit: Commit) -> delivery.DeliveryFacts:
    """Observe what a delivery of a commit to the simulated device would start from."""
    return delivery.observe(
        settings, repo=SAMPLE_PROJECT, branch="main", commit_sha=commit.sha, environment=ENVIRONMENT, device=BENCH
    )


def flashes(settings: Settings) -> int:
    """Return how many images the simulated device has accepted."""
    device = Inventory(settings.paths).get(BENCH)
    answer = httpx.get(f"{device.base_url}/k1nb/simulator/state", trust_env=False)
    return int(answer.json()["flashes_completed"])


def stamp_shown(settings: Settings) -> str | None:
    """Ask the device what it runs."""

    async def ask() -> str | None:
        async with DeviceClient(Inventory(settings.paths).get(BENCH), settings.paths, settings.timings) as client:
            return (await client.info()).stamp

    return run(ask)


@pytest.fixture(scope="module")
def delivered(line: Settings) -> tuple[Commit, delivery.DeliveryFacts, delivery.Delivery]:
    """Deliver a new commit to the simulated device."""
    commit = commit_change(ensure_sample_repository(line.paths))
    facts = observe(line, commit)
    plan = delivery.plan(facts)
    result = delivery.apply(line, facts, plan, consent=plan.id)
    assert result is not None
    return commit, facts, result


def test_a_commit_becomes_an_identified_deployment(
    line: Settings, delivered: tuple[Commit, delivery.DeliveryFacts, delivery.Delivery]
) -> None:
    """A commit is built, stored, sent and proven: grade IDENTIFIED, in the ledger and by the device's own stamp."""
    commit, facts, result = delivered
    assert (result.outcome, result.grade) == (Outcome.succeeded, Grade.IDENTIFIED), result.evidence
    assert result.execution.status is ExecutionStatus.COMPLETED
    row = Ledger(line.paths).current(facts.device.mac)
    assert row is not None
    assert (row.artifact_id, row.grade, row.outcome) == (result.artifact_id, Grade.IDENTIFIED, Outcome.succeeded)
    assert stamp_shown(line) == f"k1-{commit.sha[:12]}"


def test_a_second_plan_is_empty(
    line: Settings, delivered: tuple[Commit, delivery.DeliveryFacts, delivery.Delivery]
) -> None:
    """Once a commit is proven on the device nothing is planned for it, and the old plan is refused as changed."""
    commit, before, _ = delivered
    plan = delivery.plan(observe(line, commit))
    assert plan.steps == ()
    with pytest.raises(ConsentError, match="changed"):
        delivery.apply(line, before, delivery.plan(before), consent=delivery.plan(before).id)


def test_the_same_artifact_is_not_sent_twice(
    line: Settings, delivered: tuple[Commit, delivery.DeliveryFacts, delivery.Delivery]
) -> None:
    """A deployment of what the device runs already is a no-op: completed, with nothing flashed."""
    before = flashes(line)
    with Conductor.from_settings(line) as server:
        words = {"device": BENCH, "artifact_id": delivered[2].artifact_id}
        execution_id = server.start("device-deployment", words)
        *_, execution = server.follow(execution_id, timings=line.timings)
    assert (execution.status, execution.output["outcome"]) == (ExecutionStatus.COMPLETED, "no_op")
    assert flashes(line) == before


def test_the_command_deploys_what_it_planned(line: Settings) -> None:
    """`k1nb deploy` carries a plan out with that consent; after Ctrl-C the same words join it, and tell how it ends."""
    before = flashes(line)
    commit = commit_change(ensure_sample_repository(line.paths))
    words = (BENCH, commit.sha[:10], "--repo", SAMPLE_PROJECT)
    planned = held(line, "deploy", *words)
    assert [step["action"] for step in planned["plan"]["steps"]] == ["build", "flash"]
    other = k1nb(line, "deploy", *words, "--apply", "plan-0123456789ab")
    assert (other.returncode, flashes(line)) == (2, before)
    assert "is not the plan" in other.stderr
    execution_id = interrupted(line, "deploy", *words, "--apply", planned["plan"]["id"])
    wait_for_execution(line, f"deploy:{planned['device']['mac']}:{commit.sha}:{ENVIRONMENT}")
    done = k1nb(line, "deploy", *words, "--apply", planned["plan"]["id"])
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert f"execution {execution_id} is under way already, joined" in done.stderr
    assert "    deploy_firmware_ota  COMPLETED" in done.stderr
    assert len(told := [each for each in done.stderr.splitlines() if "COMPLETED" in each]) == len(set(told))
    assert "outcome   succeeded, grade IDENTIFIED" in done.stdout
    assert stamp_shown(line) == f"k1-{commit.sha[:12]}"
    again = k1nb(line, "deploy", *words, "--apply", planned["plan"]["id"])
    assert (again.returncode, flashes(line)) == (0, before + 1)
    assert "it runs it already, grade IDENTIFIED" in again.stdout
    assert held(line, "deploy", *words)["plan"]["steps"] == []


def interrupted(settings: Settings, *words: str) -> str:
    """Run a command until it has begun an execution, end it with Ctrl-C, and return the id that it names then."""
    surroundings = {**os.environ, "K1NB_HOME": str(settings.home), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "k1nb", *words]
    with subprocess.Popen(
        command, env=surroundings, text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        assert process.stderr is not None
        begun = next(each for each in process.stderr if each.startswith("execution "))
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    execution_id = begun.split()[1]
    assert process.returncode == 130
    assert f"the delivery goes on at the server as execution {execution_id}" in said
    assert f"`k1nb executions follow {execution_id}`; the same command joins it again" in said
    return execution_id


def test_a_commit_that_does_not_compile_fails_before_the_device(line: Settings) -> None:
    """A compile error fails the execution with the compiler's words, runs the handler, and nothing is flashed."""
    before = flashes(line)
    repository = ensure_sample_repository(line.paths)
    main = repository.path / "firmware" / "src" / "main.c"
    good = main.read_text()
    broken = commit_change(repository, "Break it", {"firmware/src/main.c": good + "\nint broken( {\n"})
    commit_change(repository, "Mend it", {"firmware/src/main.c": good})
    facts = observe(line, broken)
    plan = delivery.plan(facts)
    result = delivery.apply(line, facts, plan, consent=plan.id)
    assert result is not None
    assert (result.execution.status, result.outcome) == (ExecutionStatus.FAILED, Outcome.failed)
    assert result.evidence[-1] == "nothing was sent to the device"
    assert flashes(line) == before
    with Conductor.from_settings(line) as server:
        build = next(t for t in result.execution.tasks if t.reference == "build")
        assert build.child_id
        child = server.execution(build.child_id)
        assert "main.c" in (child.reason or "")
        *_, handler = server.follow(child.output["conductor.failure_workflow"], timings=line.timings)
    assert handler.status is ExecutionStatus.COMPLETED
    assert handler.output["failed_task"] == "platformio_compile"
    assert handler.output["commit_sha"] == broken.sha
    assert handler.output["cleaned"] is True


def test_the_same_delivery_at_once_is_one(line: Settings) -> None:
    """Who asks for a delivery that is under way follows it: one execution, one flash, two equal answers."""
    before = flashes(line)
    facts = observe(line, commit_change(ensure_sample_repository(line.paths)))
    plan = delivery.plan(facts)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(delivery.apply, line, facts, plan, consent=plan.id)
        wait_for_execution(line, facts.key)
        (under_way,) = observe(line, facts.commit).under_way
        second = pool.submit(delivery.apply, line, facts, plan, consent=plan.id)
        one, other = first.result(), second.result()
    assert one is not None
    assert other is not None
    assert one.execution.id == other.execution.id == under_way.id
    assert "this very one, applying joins it" in delivery.plan(replace(facts, under_way=(under_way,))).remarks[-1]
    assert observe(line, facts.commit).under_way == ()
    assert (other.outcome, other.grade) == (Outcome.succeeded, Grade.IDENTIFIED)
    assert flashes(line) == before + 1


def wait_for_execution(settings: Settings, key: str) -> None:
    """Return once a delivery of this key runs."""
    deadline = time.monotonic() + 30
    with Conductor.from_settings(settings) as server:
        while not server.correlated(delivery.PIPELINE, key, closed=False):
            assert time.monotonic() < deadline
            time.sleep(0.1)
