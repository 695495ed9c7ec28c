"""From devices and sizes to waves: pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import ceil

from k1nb.delivery.rollout._rollout import FURTHEST
from k1nb.device import Device
from k1nb.errors import UnknownName, UsageError

_SIZE = re.compile(r"(\d{1,6})(%?)")


def sizes(text: str, count: int) -> list[int]:
    """Return the sizes of the waves of so many devices; shares are of all of them, rounded up.

    Sizes that go beyond the end are cut or dropped; what is left over is one last wave. Raises UsageError.
    """
    words = [word for word in re.split(r"[,\s]+", text.strip()) if word]
    if len(words) > FURTHEST:
        raise UsageError(f"{len(words)} waves are refused", hint=f"{FURTHEST} at most")
    found: list[int] = []
    for word in words:
        left = count - sum(found)
        size = min(_size(word, count), left)
        if size:
            found.append(size)
    left = count - sum(found)
    return [*found, left] if left else found


def _size(word: str, count: int) -> int:
    match = _SIZE.fullmatch(word)
    number = int(match[1]) if match else 0
    share = bool(match and match[2])
    if not number or (share and number > 100):
        raise UsageError(
            f"{word!r} is no size of a wave", hint="write numbers of devices or percentages: --waves '1, 10%, 30%'"
        )
    return ceil(count * number / 100) if share else number


def divide(devices: Sequence[Device], text: str, canary: Sequence[str] = ()) -> tuple[tuple[Device, ...], ...]:
    """Divide devices into waves: those of role test first, in each role as the inventory has them.

    `canary` names the first wave, whose size is then not asked for. Raises UsageError, and UnknownName for a canary
    that is not among the devices.
    """
    left = sorted(devices, key=lambda device: device.role == "production")
    first = tuple(_canary(left, name) for name in dict.fromkeys(canary))
    left = [device for device in left if device not in first]
    words = re.split(r"[,\s]+", text.strip())
    waves = [first] if first else []
    at = 0
    for size in sizes(" ".join(words[1:]) if first else text, len(left)):
        waves.append(tuple(left[at : at + size]))
        at += size
    return tuple(waves)


def _canary(devices: Sequence[Device], name: str) -> Device:
    found = next((device for device in devices if name in (device.name, device.mac)), None)
    if found is None:
        raise UnknownName(
            f"canary {name!r} is none of the devices that need this artifact",
            hint="name a device of the selection that does not run it yet",
        )
    return found
