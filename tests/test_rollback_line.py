"""The way back: automatically after a bad image, and by an operator, on real parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from k1nb import delivery
from k1nb._http import run
from k1nb.checks import Verdict
from k1nb.conductor import Conductor, Execution, ExecutionStatus
from k1nb.config import Settings
from k1nb.delivery import rollback
from k1nb.device import Device, DeviceClient, Inventory
from k1nb.errors import ConductorUnreachable, ConsentError
from k1nb.firmware import Commit, Deployment, Grade, Ledger, Outcome, commit_change, ensure_sample_repository
from k1nb.records import run_notebook
from tests.conftest import BENCH
from tests.test_line import flashes, observe, stamp_shown

HEALTH = "firmware/include/health.h"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
Delivered = tuple[Commit, delivery.Delivery]


def deliver(settings: Settings, commit: Commit) -> delivery.Delivery:
    """Deliver a commit to the simulated device, whatever comes of it."""
    facts = observe(settings, commit)
    plan = delivery.plan(facts)
    result = delivery.apply(settings, facts, plan, consent=plan.id)
    assert result is not None
    return result


def rows(settings: Settings) -> list[Deployment]:
    """Return the device's ledger, newest first."""
    return Ledger(settings.paths).history(bench(settings).mac)


def bench(settings: Settings) -> Device:
    """Return the simulated device."""
    return Inventory(settings.paths).get(BENCH)


def handled(settings: Settings, **words: str) -> Execution:
    """Run the rollback handler to its end."""
    with Conductor.from_settings(settings) as server:
        *_, execution = server.follow(server.start(rollback.HANDLER, words), timings=settings.timings)
        return execution


@pytest.fixture(scope="module")
def good(line: Settings) -> Delivered:
    """Deliver a good commit."""
    commit = commit_change(ensure_sample_repository(line.paths))
    result = deliver(line, commit)
    assert result.outcome is Outcome.succeeded, result.evidence
    return commit, result


@pytest.fixture(scope="module")
def bad(line: Settings, good: Delivered) -> tuple[Delivered, int]:  # noqa: ARG001 - comes first
    """Deliver a commit whose firmware is unhealthy; return it with the flashes that it took."""
    repository = ensure_sample_repository(line.paths)
    healthy = (repository.path / HEALTH).read_text()
    sick = healthy.replace("#define HEALTH_FPS 118.4", "#define HEALTH_FPS 11.5")
    assert sick != healthy
    before = flashes(line)
    commit = commit_change(repository, "Make it slow", {HEALTH: sick})
    try:
        return (commit, deliver(line, commit)), flashes(line) - before
    finally:
        commit_change(repository, "Make it fast again", {HEALTH: healthy})


def test_an_unhealthy_image_is_rolled_back_once(line: Settings, good: Delivered, bad: tuple[Delivered, int]) -> None:
    """An image that boots unhealthy ends FAILED and rolled_back; the last good is as before, by one rollback."""
    (commit, result), flashed = bad
    assert (result.execution.status, result.outcome) == (ExecutionStatus.FAILED, Outcome.rolled_back), result.evidence
    assert any("FPS" in line for line in result.evidence)
    assert flashed == 2
    last = Ledger(line.paths).last_good(bench(line).mac)
    assert last is not None
    assert last.artifact_id == good[1].artifact_id
    assert stamp_shown(line) == f"k1-{good[0].sha[:12]}" != f"k1-{commit.sha[:12]}"
    back, failed, *_ = rows(line)
    assert (failed.artifact_id, failed.outcome, failed.grade) == (
        result.artifact_id,
        Outcome.rolled_back,
        Grade.REBOOTED,
    )
    assert (back.artifact_id, back.reason, back.outcome) == (last.artifact_id, delivery.ROLLBACK, Outcome.succeeded)
    with Conductor.from_settings(line) as server:
        handlers = [e for e in server.children(result.execution) if e.name == rollback.HANDLER]
    assert [(e.status, e.id) for e in handlers] == [(ExecutionStatus.COMPLETED, back.execution_id)]


def test_after_an_automatic_rollback_there_is_nothing_to_do(
    line: Settings, good: Delivered, bad: tuple[Delivered, int]
) -> None:
    """An operator's rollback and the handler by the failed pipeline's id both leave the device where it is."""
    before, known = flashes(line), len(rows(line))
    facts = rollback.observe(line, device=BENCH)
    assert facts.target.id == good[1].artifact_id
    assert rollback.plan(facts).steps == ()
    device = bench(line)
    execution = handled(
        line, failed_workflow_id=bad[0][1].execution.id, device_ip=f"{device.address}:{device.http_port}"
    )
    assert execution.status is ExecutionStatus.COMPLETED, execution.reason
    assert (execution.output["needed"], execution.output["artifact_id"]) == ("none", good[1].artifact_id)
    assert (flashes(line), len(rows(line))) == (before, known)


def test_what_was_rolled_back_is_not_planned_again_without_a_word(line: Settings, bad: tuple[Delivered, int]) -> None:
    """The plan for the same commit names the rollback and what was proven of the commit before."""
    (commit, _), _ = bad
    back, *_ = rows(line)
    remarks = delivery.plan(observe(line, commit)).remarks
    assert any(f"execution {back.execution_id} took it back" in each and "FPS" in each for each in remarks), remarks


@pytest.fixture(scope="module")
def better(line: Settings, bad: tuple[Delivered, int]) -> Delivered:  # noqa: ARG001 - comes first
    """Deliver another good commit after the bad one."""
    commit = commit_change(ensure_sample_repository(line.paths))
    return commit, deliver(line, commit)


@contextmanager
def in_production(settings: Settings) -> Iterator[None]:
    """Have the simulated device be a production device for as long as the block lasts."""
    inventory, device = Inventory(settings.paths), bench(settings)
    inventory.remove(BENCH)
    inventory.add(replace(device, role="production"))
    try:
        yield
    finally:
        inventory.remove(BENCH)
        inventory.add(device)


def test_an_operator_goes_back_by_conductor(line: Settings, good: Delivered, better: Delivered) -> None:
    """A good deployment gives way to the one before, under the intent's key, its look put back; then all is done.

    It is a production device here: the plan that was consented to is what the workers find.
    """
    assert better[1].outcome is Outcome.succeeded

    async def select() -> None:
        async with DeviceClient(bench(line), line.paths, line.timings) as client:
            await client.set_params({"speed": 0.75})

    run(select)
    before = flashes(line)
    with in_production(line):
        facts = rollback.observe(line, device=BENCH)
        assert (facts.runs.artifact_id, facts.target.id) == (better[1].artifact_id, good[1].artifact_id)
        plan = rollback.plan(facts)
        done = rollback.apply(line, facts, plan, consent=plan.id)
    assert done is not None
    assert (done.outcome, done.grade) == (Outcome.rolled_back, Grade.IDENTIFIED), done.evidence
    assert done.execution is not None
    assert done.execution.correlation_id == facts.key
    assert done.execution.output["restored"] is True
    assert done.execution.output["differences"] == []
    assert flashes(line) == before + 1
    assert stamp_shown(line) == f"k1-{good[0].sha[:12]}"
    assert rollback.plan(rollback.observe(line, device=BENCH)).steps == ()


def test_a_delivery_that_ended_long_ago_is_told_as_it_ended_and_as_the_device_is_now(
    line: Settings, good: Delivered, bad: tuple[Delivered, int], better: Delivered
) -> None:
    """Asked what began since, a failed delivery is told and not begun again, a good one only as long as it holds."""
    before, server_down = flashes(line), line.model_copy(update={"conductor_server_url": "http://127.0.0.1:9/api"})
    told = {}
    for commit, delivered in (good, bad[0], better):
        facts = observe(line, commit)
        found = delivery.apply(line, facts, delivery.plan(facts), consent="plan-old", since=LONG_AGO)
        assert found is not None
        assert found.execution.id == delivered.execution.id
        told[commit.sha] = (found.outcome, found.good, "that it still does is not proven" in found.evidence[-1])
        if delivery.plan(facts).steps:
            with pytest.raises(ConsentError, match="what it was made from"):
                delivery.apply(line, facts, delivery.plan(facts), consent="plan-old", since=datetime.now(UTC))
            with pytest.raises(ConductorUnreachable):
                delivery.apply(server_down, facts, delivery.plan(facts), consent="plan-old", since=LONG_AGO)
        else:
            assert delivery.apply(server_down, facts, delivery.plan(facts), consent="plan-old", since=LONG_AGO) is None
    assert list(told.values()) == [
        (Outcome.succeeded, True, False),  # where an operator has gone back to
        (Outcome.rolled_back, False, False),
        (Outcome.failed, False, True),
    ]
    assert flashes(line) == before


def test_the_notebook_plans_then_goes_where_it_was_told(line: Settings, better: Delivered) -> None:
    """The notebook concludes WARN with a plan, OK once it was applied, and OK with nothing done when run again."""
    assert better[1].artifact_id is not None
    words = {"device": BENCH, "to": better[1].artifact_id}
    before = flashes(line)
    planned = run_notebook(line, "firmware_rollback", words)
    assert planned.verdict is Verdict.WARN, planned.reason
    (plan,) = set(re.findall("plan-[0-9a-f]{12}", str(planned.checks[0].hint)))
    assert flashes(line) == before
    applied = run_notebook(line, "firmware_rollback", words, apply=plan)
    assert applied.verdict is Verdict.OK, (applied.reason, [c.evidence for c in applied.checks])
    assert len(applied.manifest.executions) == 1
    again = run_notebook(line, "firmware_rollback", words)
    assert again.verdict is Verdict.OK
    assert again.manifest.executions == ()
    assert flashes(line) == before + 1


def test_a_silent_device_is_not_told_to_take_usb_while_its_rollback_runs(line: Settings, better: Delivered) -> None:
    """Where the device is silent because its rollback is under way, applying follows that one to its end."""
    assert better[1].artifact_id is not None
    facts = rollback.observe(line, device=BENCH, to=better[1].artifact_id)
    silent = replace(facts, past=replace(facts.past, seen=None), ota_answers=False)
    plan = rollback.plan(silent)
    alone = rollback.apply(line, silent, plan, consent=plan.id)
    assert alone is not None
    assert (alone.outcome, alone.execution_id) == (Outcome.needs_usb, None)
    with Conductor.from_settings(line) as server:
        begun = server.start(rollback.HANDLER, {"device": "nobody"}, correlation_id=silent.key)
    joined = rollback.apply(line, silent, plan, consent=plan.id)
    assert joined is not None
    assert (joined.execution_id, joined.outcome) == (begun, Outcome.failed)  # it names no device


def test_no_production_device_is_rolled_back_unasked(line: Settings, better: Delivered) -> None:
    """The handler, started by hand, flashes a production device only where that was allowed by name."""
    assert better[1].artifact_id is not None
    facts = rollback.observe(line, device=BENCH)
    assert facts.runs.artifact_id == better[1].artifact_id
    before = flashes(line)
    with in_production(line):
        execution = handled(line, device=BENCH, failed_artifact_id=better[1].artifact_id)
    assert execution.status is ExecutionStatus.FAILED
    assert "is a production device" in execution.reason
    assert flashes(line) == before
