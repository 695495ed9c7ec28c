"""A rollout as a state machine: whatever the devices, the people and the processes do, what it promises holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from k1nb.conductor import Execution
from k1nb.delivery.rollout import (
    Decision,
    Gate,
    Known,
    Next,
    Notes,
    Result,
    Rollout,
    State,
    Step,
    judge,
    known_of,
    next_step,
    tally_of,
)
from k1nb.device import Device
from tests.delivery.rollout.samples import NOON, a_rollout, deployment

POLICIES = st.fixed_dictionaries(
    {
        "error_percent": st.sampled_from([0.0, 10.0, 25.0, 50.0, 100.0]),
        "success_percent": st.sampled_from([0.0, 50.0, 80.0, 100.0]),
        "minimum_sample": st.integers(1, 4),
        "parallel": st.integers(1, 4),
        "approval": st.booleans(),
        "soak_seconds": st.sampled_from([0.0, 60.0]),
    }
)
SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=4)
PICK = st.integers(0, 30)
FATES = st.sampled_from(["succeeded", "succeeded", "no_op", "failed", "rolled_back", "needs_usb"])


@dataclass
class World:
    """What is outside of the planner: devices, server, and the clock."""

    rollout: Rollout
    now: datetime = NOON

    def __post_init__(self) -> None:
        """Have every device online and nothing begun."""
        self.offline: set[str] = set()
        self.locked: set[str] = set()
        self.deployments: dict[str, Execution] = {}
        self.flashes: dict[str, int] = {}
        self.notes = Notes()
        self.begun_at = self.now
        self.passes = 1
        self.paused = False
        self.asked: int | None = None
        self.result: Result | None = None
        self.aborted = False

    def known(self) -> Known:
        """Return what a turn that begins now would know."""
        return known_of(self.rollout, self.notes, self.deployments.values(), self.begun_at)

    def of_state(self, state: State) -> list[str]:
        """Return the MACs in a state, in order."""
        return sorted(self.known().within(state))

    @property
    def goes_on(self) -> bool:
        """Tell whether the workflow would run a turn."""
        return self.result is None and not self.aborted and not self.paused and self.asked is None


class RolloutMachine(RuleBasedStateMachine):
    """Devices succeed, fail, vanish, come and go; people pause, approve, abort; processes are killed."""

    @initialize(sizes=SIZES, policy=POLICIES)
    def begin(self, sizes: list[int], policy: dict[str, float]) -> None:
        """Plan a rollout."""
        self.world = World(a_rollout(*sizes, **policy))

    @rule(killed_after=st.none() | st.integers(0, 3))
    def turn(self, killed_after: int | None) -> None:
        """Let a worker do one turn; killed, it has begun what it has begun, and has noted nothing."""
        if self.world.goes_on:
            self._turn(killed_after)

    @rule(fates=st.lists(FATES, min_size=1, max_size=6))
    def go_on_for_a_while(self, fates: list[str]) -> None:
        """Let turns follow each other, and deployments end, as they do when nothing disturbs."""
        for fate in fates:
            for _ in range(2):
                if self.world.goes_on:
                    self._turn()
            self.deployment_ends(0, fate, False)

    def _turn(self, killed_after: int | None = None) -> None:
        world = self.world
        known = world.known()
        step = next_step(world.rollout, known, world.now)
        if step.next is Next.DEPLOY:
            notes = self._deploy(known, step.devices, killed_after)
        elif step.next is Next.VERIFY:
            notes = self._verify(known, step.wave)
        else:
            notes = known.notes
        if killed_after is not None:
            return
        world.notes = notes
        if step.next is Next.SOAK:
            world.now += timedelta(seconds=step.seconds)
        elif step.next is Next.APPROVAL:
            world.asked = step.wave
        elif step.next is Next.END:
            self._ended(known, step)

    def _deploy(self, known: Known, devices: Sequence[Device], killed_after: int | None) -> Notes:
        world, pending = self.world, dict(known.notes.pending)
        for number, device in enumerate(devices):
            if number == killed_after:
                break
            if device.mac in world.offline or device.mac in world.locked:
                pending[device.mac] = "offline: it does not answer"
            else:
                self._start(device)
        return replace(known.notes, pending=pending)

    def _start(self, device: Device) -> None:
        world = self.world
        assert device.mac not in world.deployments, "begun twice"
        assert world.goes_on
        wave = world.rollout.wave_of(device.mac)
        assert wave is not None
        self._gates_before(wave)
        number = int(device.name.removeprefix("sim-"))
        world.deployments[device.mac] = deployment(number, None, began=world.now)
        world.flashes[device.mac] = world.flashes.get(device.mac, 0) + 1

    def _gates_before(self, number: int) -> None:
        """Hold, by the bare figures, that each wave before has passed and that this one is not lost."""
        world, policy = self.world, self.world.rollout.policy
        known = world.known()
        for before, wave in enumerate(world.rollout.waves[: number - 1], 1):
            states = [known.devices[device.mac].state for device in wave]
            good = sum(state.good for state in states)
            failed = states.count(State.FAILED)
            assert not {State.WAITING, State.RUNNING} & set(states), f"wave {before} is not through"
            assert good + failed >= min(policy.minimum_sample, len(wave)), f"wave {before} has too few results"
            assert failed * 100 <= policy.error_percent * (good + failed), f"wave {before} has too many failures"
            assert good * 100 >= policy.success_percent * len(wave), f"wave {before} has too few successes"
            gate = known.gate(before)
            assert gate is not None, f"wave {before} was never judged"
            assert gate.decision is Decision.GO_ON
            assert gate.results == good + failed, f"wave {before} has results that nobody has looked at"
        if policy.approval and number > 1:
            assert known.notes.approvals.get(number) is True, "nobody has approved it"
        here = [known.devices[device.mac].state for device in world.rollout.waves[number - 1]]
        results, failed = sum(state.result for state in here), here.count(State.FAILED)
        if results >= min(policy.minimum_sample, len(here)):
            assert failed * 100 <= policy.error_percent * len(here), "it is lost already"

    def _verify(self, known: Known, number: int) -> Notes:
        world = self.world
        wave = world.rollout.waves[number - 1]
        ended = known.last_end(wave)
        assert ended is None or (world.now - ended).total_seconds() >= world.rollout.policy.soak_seconds
        gone = [d.mac for d in wave if known.devices[d.mac].state.good and d.mac in world.offline]
        notes = replace(known.notes, lost={**known.notes.lost, **dict.fromkeys(gone, "vanished")})
        after = known_of(world.rollout, notes, world.deployments.values())
        tally = tally_of(wave, after)
        judged = judge(tally, world.rollout.policy)
        return notes.with_gate(Gate(number, judged.decision, tally.results, judged.reasons, world.now))

    def _ended(self, known: Known, step: Step) -> None:
        assert not known.within(State.RUNNING), "it ended while something was under way"
        assert step.reasons, "it ended without a reason"
        if step.result is Result.COMPLETED:
            states = {seen.state for seen in known.devices.values()}
            assert states <= {State.SUCCEEDED, State.CURRENT, State.FAILED}
        if step.result is Result.PENDING:
            assert known.within(State.PENDING)
        self.world.result = step.result

    @rule(pick=PICK, fate=FATES, vanishes=st.booleans())
    def deployment_ends(self, pick: int, fate: str, vanishes: bool) -> None:
        """Let one deployment that is under way come to its end; its device may be gone afterwards."""
        world = self.world
        under_way = world.of_state(State.RUNNING)
        if not under_way:
            return
        mac = under_way[pick % len(under_way)]
        world.now += timedelta(seconds=5)
        number = int(world.deployments[mac].id.removeprefix("execution-"))
        began = world.deployments[mac].started_at or world.now
        world.deployments[mac] = deployment(number, fate, began=began, ended=world.now)
        if vanishes:
            world.offline.add(mac)

    @rule(pick=PICK, place=st.sampled_from(["offline", "locked"]))
    def device_goes_or_comes(self, pick: int, place: str) -> None:
        """Switch a device off or on, or have another operation take or leave it."""
        devices = list(self.world.rollout.devices)
        mac = devices[pick % len(devices)].mac
        chosen: set[str] = getattr(self.world, place)
        chosen.symmetric_difference_update({mac})

    @rule()
    def pause_or_resume(self) -> None:
        """Pause a rollout that runs, or resume one that is paused."""
        if self.world.result is None and not self.world.aborted:
            self.world.paused = not self.world.paused

    @precondition(lambda self: self.world.asked is not None)
    @rule(answer=st.sampled_from([True, True, False]))
    def person_answers(self, answer: bool) -> None:
        """Approve or reject the wave that waits."""
        world = self.world
        assert world.asked is not None
        world.notes = replace(world.notes, approvals={**world.notes.approvals, world.asked: answer})
        world.asked = None

    @rule()
    def next_pass(self) -> None:
        """Let the schedule, or somebody who resumes, begin another pass: what was passed over is tried again."""
        world = self.world
        if world.result is Result.PENDING and not world.aborted:
            world.notes = replace(world.notes, pending={}, skipped={})
            world.result, world.begun_at, world.passes = None, world.now, world.passes + 1

    @precondition(lambda self: self.world.passes > 1 or len(self.world.deployments) > 1)
    @rule()
    def abort(self) -> None:
        """End it for good."""
        self.world.aborted = True

    @invariant()
    def never_too_many_at_once(self) -> None:
        """Never more than the bound at once."""
        if hasattr(self, "world"):
            assert len(self.world.of_state(State.RUNNING)) <= self.world.rollout.policy.parallel

    @invariant()
    def no_device_twice(self) -> None:
        """No device gets the artifact twice."""
        if hasattr(self, "world"):
            assert all(count == 1 for count in self.world.flashes.values())

    @invariant()
    def one_state_each(self) -> None:
        """Every device is in one state, and says why."""
        if hasattr(self, "world"):
            known = self.world.known()
            assert set(known.devices) == {device.mac for device in self.world.rollout.devices}
            assert all(seen.reason for seen in known.devices.values())

    def teardown(self) -> None:
        """Left to itself, with every person saying yes, it comes to an end, and says how."""
        if not hasattr(self, "world") or self.world.aborted:
            return
        self._to_the_end()
        if self.world.result is Result.PENDING:
            self.world.offline.clear()
            self.world.locked.clear()
            self.next_pass()
            self._to_the_end()
            assert self.world.result is not Result.PENDING, "nothing hinders it, and something is pending"

    def _to_the_end(self) -> None:
        world = self.world
        world.paused = False
        for _ in range(400):
            if world.asked is not None:
                self.person_answers(True)
            for _running in world.of_state(State.RUNNING):
                self.deployment_ends(0, "succeeded", False)
            if world.result is not None:
                break
            self._turn()
        assert world.result is not None, "it never ends"
        step = next_step(world.rollout, world.known(), world.now, inf)
        assert (step.next, step.result) == (Next.END, world.result), "it would begin again by itself"


RolloutMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestRollout = RolloutMachine.TestCase
"""Whatever happens in whichever order, a rollout keeps its bound, its gates and its single effect."""
