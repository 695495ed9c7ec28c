"""The look of a device: taken before a flash, put back after it, and read back to be sure."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from k1nb.device._client import DeviceClient
from k1nb.device._facts import AUDIO_SETTINGS, CUSTOM_PARAMETERS, READABLE_PARAMETERS
from k1nb.errors import DeviceNonsense, DeviceRefused

TOLERANCE = 1e-3
"""How far a number may be from what was put back: the device keeps single-precision floats."""
_TRANSITIONS = ("enabled", "default_type", "default_duration_ms", "default_easing")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a restart of the device forgets: 23 parameters, the pattern, audio and transition settings."""

    mac: str
    taken_at: datetime
    params: Mapping[str, float | bool]
    pattern: str
    """The id; an index would mean another pattern after a firmware with another registry."""
    audio: Mapping[str, float]
    transitions: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the snapshot as JSON-able data."""
        return {**asdict(self), "taken_at": self.taken_at.isoformat()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Snapshot:
        """Read what as_dict wrote."""
        return cls(**{**data, "taken_at": datetime.fromisoformat(data["taken_at"])})


async def take_snapshot(client: DeviceClient) -> Snapshot:
    """Read the look of the device; DeviceNonsense where one of its parts is missing."""
    shown = await client.params()
    # The three custom parameters are nowhere else to be read, and the backup lacks eleven of the others.
    own = (await client.backup()).get("parameters")
    hidden = own if isinstance(own, dict) else {}
    return Snapshot(
        mac=client.device.mac,
        taken_at=datetime.now(UTC),
        params={**_pick(client, shown, READABLE_PARAMETERS), **_pick(client, hidden, CUSTOM_PARAMETERS)},
        pattern=(await client.current_pattern()).id,
        audio=_pick(client, await client.audio_config(), AUDIO_SETTINGS),
        transitions=_pick(client, await client.transitions_config(), _TRANSITIONS),
    )


async def restore_snapshot(client: DeviceClient, snapshot: Snapshot) -> list[str]:
    """Put the look back, read it again, and return what still differs, one text each.

    A part that the firmware refuses (a pattern it no longer has) is among the differences; the other parts are
    put back nevertheless. Raises DeviceUnreachable and DeviceNonsense.
    """
    parts: tuple[tuple[str, Callable[[Any], Awaitable[object]], Any], ...] = (
        ("parameters", client.set_params, snapshot.params),
        (f"pattern {snapshot.pattern}", client.select, snapshot.pattern),
        ("audio settings", client.set_audio_config, snapshot.audio),
        ("transition settings", client.set_transitions_config, snapshot.transitions),
    )
    refused: list[str] = []
    for what, put, value in parts:
        try:
            await put(value)
        except DeviceRefused as error:
            refused.append(f"{what}: {error.message}")
    return refused + differences(snapshot, await take_snapshot(client))


def differences(wanted: Snapshot, found: Snapshot) -> list[str]:
    """Return what `found` has otherwise than `wanted`, one text each; the pattern by id, numbers within 1e-3."""
    pairs: list[tuple[str, Any, Any]] = [("pattern", wanted.pattern, found.pattern)]
    for part in ("params", "audio", "transitions"):
        before, after = getattr(wanted, part), getattr(found, part)
        pairs += [(name, value, after.get(name)) for name, value in before.items()]
    return [f"{name}: {a!r} was wanted, {b!r} is there" for name, a, b in pairs if not _same(a, b)]


def _same(wanted: Any, found: Any) -> bool:
    numbers = all(isinstance(value, int | float) for value in (wanted, found))
    return math.isclose(wanted, found, rel_tol=0, abs_tol=TOLERANCE) if numbers else bool(wanted == found)


def _pick(client: DeviceClient, answer: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    missing = [name for name in names if name not in answer]
    if missing:
        raise DeviceNonsense(
            f"device {client.device.label} did not say {', '.join(missing)}",
            hint="this firmware is no K1 firmware that k1nb knows: nothing was changed",
        )
    return {name: answer[name] for name in names}
