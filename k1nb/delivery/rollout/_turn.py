"""One turn of a rollout: look, begin what may begin, and note what cannot be seen a second time.

A turn keeps nothing: what it begins are executions under the rollout's key, what it notes is its output. One that is
cut off is done again from what its predecessor noted and from the deployments that are there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from k1nb.conductor import Conductor, Execution, ExecutionStatus
from k1nb.config import Settings
from k1nb.delivery._deployment import try_readings
from k1nb.delivery._health import HealthLimits, complaints
from k1nb.delivery.rollback import HANDLER
from k1nb.delivery.rollout._facts import AT_ONCE
from k1nb.delivery.rollout._gate import gate_of
from k1nb.delivery.rollout._known import Decision, Gate, Known, Notes, State, known_of
from k1nb.delivery.rollout._progress import executions_of, newest_told, notes_of
from k1nb.delivery.rollout._rollout import DEPLOYMENT, Rollout
from k1nb.delivery.rollout._step import Next, Result, Step, next_step
from k1nb.device import Device, Inventory, Readings, is_held
from k1nb.errors import ConductorUnreachable, K1Error
from k1nb.firmware import Artifact, ArtifactStore

Effect = Callable[[], Awaitable[str]]
Look = Callable[[], Awaitable[str | None]]
Once = Callable[[str, Effect, Look], Awaitable[str]]
"""Brings an effect about once under its key; the second argument does it, the third looks for what was done."""


@dataclass(frozen=True, slots=True)
class Turned:
    """What a turn came to; `step` is None where there is more to do at once."""

    notes: Notes
    wave: int
    step: Step | None


async def turn(settings: Settings, execution_id: str, once: Once, *, limit: float) -> Turned:
    """Go on with a rollout until something is to be noted or waited for, or the turn has lasted long enough.

    Raises ArtifactError where the image is missing or damaged, and ConductorError but for a server that is away: that
    is waited for.
    """
    with Conductor.from_settings(settings) as conductor:
        return await _Turn(settings, conductor, execution_id, once, limit).run()


class _Turn:
    def __init__(self, settings: Settings, conductor: Conductor, execution_id: str, once: Once, limit: float) -> None:
        self._settings = settings
        self._timings = settings.timings
        self._conductor = conductor
        self._execution_id = execution_id
        self._once = once
        self._limit = limit
        self._began: dict[str, str] = {}
        """Execution of what this turn has begun, by MAC: the server may not list it yet."""

    async def run(self) -> Turned:
        until = time.monotonic() + self._timings.rollout_turn
        execution, rollout, notes, first = await self._patiently(self._begin)
        if first is None:
            aside = ("another execution of this rollout is under way",)
            return Turned(notes, 0, Step(Next.END, 0, result=Result.ASIDE, reasons=aside))
        artifact = await asyncio.to_thread(ArtifactStore(self._settings.paths).get, rollout.artifact_id)
        while True:
            deployments = await self._patiently(self._deployments, rollout)
            known = known_of(rollout, notes, deployments, execution.started_at)
            step = next_step(rollout, known, datetime.now(UTC), self._limit)
            if step.next is Next.DEPLOY and await self._patiently(self._may_begin):
                noted = await self._deploy(rollout, known.notes, step)
            elif step.next is Next.VERIFY:
                noted = await self._verify(rollout, artifact, known, step.wave)
            elif step.next in (Next.DEPLOY, Next.WATCH):
                noted = notes
                await asyncio.sleep(self._timings.rollout_look)
            else:
                return Turned(_judged(rollout, known, step), step.wave, step)
            if noted != notes or time.monotonic() >= until:
                return Turned(noted, step.wave, None)

    async def _patiently(self, ask: Callable[..., Any], *arguments: Any) -> Any:
        """Ask the server outside the event loop; while it is away, ask again."""
        answered = time.monotonic()
        while True:
            try:
                return await asyncio.to_thread(ask, *arguments)
            except ConductorUnreachable:
                if time.monotonic() - answered > self._timings.conductor_ready:
                    raise
                await asyncio.sleep(self._timings.rollout_look)

    def _begin(self) -> tuple[Execution, Rollout, Notes, Execution | None]:
        """Return this execution, its rollout and its notes, and None last where an older execution is at work."""
        execution = self._conductor.execution(self._execution_id)
        rollout = Rollout.from_input(execution.input)
        executions = executions_of(self._conductor, rollout.id)
        older = executions[[one.id for one in executions].index(execution.id) + 1 :]
        if any(not one.status.terminal for one in older):
            return execution, rollout, Notes(), None
        _, told = newest_told(self._conductor, [execution, *older])
        return execution, rollout, notes_of(told, same_pass=told.id == execution.id), execution

    def _deployments(self, rollout: Rollout) -> list[Execution]:
        listed = self._conductor.correlated(DEPLOYMENT, rollout.key)
        seen = {execution.id for execution in listed}
        unlisted = [one for one in self._began.values() if one not in seen]
        return [*listed, *(self._conductor.execution(one, tasks=False) for one in unlisted)]

    def _may_begin(self) -> bool:
        """Tell whether the rollout runs: not paused, not ended by somebody."""
        return self._conductor.execution(self._execution_id, tasks=False).status is ExecutionStatus.RUNNING

    async def _deploy(self, rollout: Rollout, notes: Notes, step: Step) -> Notes:
        busy = await self._patiently(self._busy, rollout)
        found = await asyncio.gather(*(self._hindrance(device, busy) for device in step.devices))
        pending, skipped = dict(notes.pending), dict(notes.skipped)
        for device, (state, reason) in zip(step.devices, found, strict=True):
            if state is State.PENDING:
                pending[device.mac] = reason
            elif state is State.SKIPPED:
                skipped[device.mac] = reason
            elif await self._patiently(self._may_begin):
                await self._start(rollout, device)
        return replace(notes, pending=pending, skipped=skipped)

    def _busy(self, rollout: Rollout) -> dict[str, str]:
        """Return the executions of others that work with a device now, by its MAC."""
        running = (ExecutionStatus.RUNNING, ExecutionStatus.PAUSED)
        inventory, found = Inventory(self._settings.paths), {}
        for name in (DEPLOYMENT, HANDLER):
            for execution in self._conductor.find(status=running, name=name, size=1000):
                named = execution.input.get("device") or execution.input.get("device_ip")
                if execution.correlation_id != rollout.key and isinstance(named, str):
                    found[_mac(inventory, named)] = execution.id
        return found

    async def _hindrance(self, device: Device, busy: dict[str, str]) -> tuple[State, str]:
        """Say why a device cannot be deployed to now: WAITING where nothing hinders."""
        paths = self._settings.paths
        if device not in await asyncio.to_thread(Inventory(paths).list):
            return State.SKIPPED, "its entry in the inventory has changed since the plan"
        if device.mac in busy:
            return State.PENDING, f"locked: execution {busy[device.mac]} works with it"
        if await asyncio.to_thread(is_held, paths, device):
            return State.PENDING, "locked: another operation holds it"
        seen = await try_readings(self._settings, device)
        if seen is None:
            return State.PENDING, "offline: it does not answer"
        if seen.mac != device.mac:
            return State.PENDING, f"offline: a device with MAC {seen.mac} answers at its address"
        return State.WAITING, ""

    async def _start(self, rollout: Rollout, device: Device) -> None:
        """Start a device's deployment, once for the whole rollout, whoever asks and however often."""
        given = {
            "device": device.mac,  # a name may come to mean another device meanwhile
            "device_ip": None,
            "artifact_id": rollout.artifact_id,
            "reason": f"rollout {rollout.id}",
            "allow_production": device.role == "production",  # the plan that was consented to names it
            "restore_look": True,
            "consent": rollout.id,
        }

        async def start() -> str:
            begun: str = await asyncio.to_thread(self._conductor.start, DEPLOYMENT, given, correlation_id=rollout.key)
            return begun

        async def look() -> str | None:
            known = await self._patiently(self._conductor.correlated, DEPLOYMENT, rollout.key)
            return next((one.id for one in known if one.input.get("device") == device.mac), None)

        self._began[device.mac] = await self._once(f"{rollout.key}/{device.mac}", start, look)

    async def _verify(self, rollout: Rollout, artifact: Artifact, known: Known, number: int) -> Notes:
        """Look at a wave's devices at the end of its soak and decide on its gate."""
        wave = rollout.waves[number - 1]
        places = asyncio.Semaphore(AT_ONCE)

        async def look(device: Device) -> tuple[str, str]:
            async with places:
                return device.mac, await self._wrong(device, artifact)

        looked = await asyncio.gather(*(look(d) for d in wave if known.devices[d.mac].state.good))
        lost = {mac: f"at the end of the soak: {wrong}" for mac, wrong in looked if wrong}
        notes = replace(known.notes, lost={**known.notes.lost, **lost})
        deployments = await self._patiently(self._deployments, rollout)
        judged = gate_of(rollout, known_of(rollout, notes, deployments), number)
        results = sum(known.devices[device.mac].state.result for device in wave)
        return notes.with_gate(Gate(number, judged.decision, results, judged.reasons, datetime.now(UTC)))

    async def _wrong(self, device: Device, artifact: Artifact) -> str:
        """Say what is wrong with a device that was deployed to; it is silent only if it is so twice."""
        seen: Readings | None = await try_readings(self._settings, device)
        if seen is None:
            await asyncio.sleep(self._timings.reboot_poll)
            seen = await try_readings(self._settings, device)
        if seen is None:
            return "vanished: it does not answer"
        if seen.mac != device.mac:
            return f"vanished: a device with MAC {seen.mac} answers at its address"
        if seen.stamp != artifact.stamp:
            return f"it shows the stamp {seen.stamp or 'none'}, the image carries {artifact.stamp or 'none'}"
        return "; ".join(complaints(seen, HealthLimits.of(self._settings)))


def _mac(inventory: Inventory, named: str) -> str:
    try:
        return inventory.get(named).mac
    except K1Error:  # another site's device
        return named


def _judged(rollout: Rollout, known: Known, step: Step) -> Notes:
    """Note the decision that ends a rollout, where it is one on a gate."""
    if step.result is not Result.STOPPED:
        return known.notes
    judged = gate_of(rollout, known, step.wave)
    results = sum(known.devices[device.mac].state.result for device in rollout.waves[step.wave - 1])
    reasons = judged.reasons if judged.decision is Decision.STOP else step.reasons
    return known.notes.with_gate(Gate(step.wave, Decision.STOP, results, reasons, datetime.now(UTC)))
