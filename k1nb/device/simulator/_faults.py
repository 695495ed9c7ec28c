"""Faults of a simulated device: what may go wrong, how that is written, and what of it has struck.

Figures of a running firmware (unhealthy, little heap) are no faults: they are properties of an image.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from k1nb.device._inventory import Device
from k1nb.errors import UsageError

ELSEWHERE = "127.0.0.2"
STRANGER = "02:4B:31:FF:FF:FE"
_WORD = re.compile(r"([^=]*?)(?:=(.*?))?(?:x([0-9]{1,6}))?", re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_GRAMMAR = "NAME[=VALUE][xCOUNT]"


@dataclass(frozen=True, slots=True)
class Kind:
    """How one sort of fault may be written."""

    value: str | None = None
    """What VALUE means; None where the fault takes none."""
    low: float = 0.0
    high: float = 0.0
    default: float | None = None
    """VALUE where none is given; None where one must be."""
    counted: bool = False
    """Whether COUNT may limit it to so many transfers."""


_COUNTED, _PLAIN = Kind(counted=True), Kind()

KNOWN: Mapping[str, Kind] = MappingProxyType(
    {
        "cut": Kind("PERCENT", 0, 100, counted=True),
        "stall": Kind("PERCENT", 1, 99, 50, counted=True),
        "crawl": Kind("BYTES", 1, 1_000_000, 1, counted=True),
        "bad-md5": _COUNTED,
        "lost-ok": _COUNTED,
        "boots-old": _COUNTED,
        "boot-loop": Kind("SECONDS", 0.05, 3600, 3, counted=True),
        "never-returns": _PLAIN,
        "moves": _PLAIN,
        "swapped": _PLAIN,
        "slow": Kind("SECONDS", 0.01, 3600),
        "refuses": _PLAIN,
        "ota-dead": _PLAIN,
        "http-dead": _PLAIN,
    }
)
"""Every fault by the name it is given by; `Faults` says what each does."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault as it was chosen: `value` is a percentage or seconds, `times` how many transfers it hits (None: all)."""

    value: float = 0.0
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of one simulated device, None for what works; UsageError for a value or count no fault may have.

    They combine: in each transfer the first to come strikes. The private routes below /k1nb/ are never slow or refused.
    """

    cut: Fault | None = None
    """The connection is reset at this percentage of the image; the device goes on with its old one."""
    stall: Fault | None = None
    """From this percentage of the image on nothing is answered, until the sender leaves."""
    crawl: Fault | None = None
    """The image is read at so many bytes a second, each piece answered."""
    bad_md5: Fault | None = None
    """The transfer ends with the line MD5 Check Failed; nothing is activated."""
    lost_ok: Fault | None = None
    """The image is accepted and booted, but the last OK is never sent: the connection just ends."""
    boots_old: Fault | None = None
    """The image is accepted, which counts as a flash, but the one before is booted."""
    boot_loop: Fault | None = None
    """The image is booted, and restarts every so many seconds until another one is accepted."""
    never_returns: Fault | None = None
    """The image is accepted; then the device stays off for as long as the process lives."""
    moves: Fault | None = None
    """The image is accepted; from its restart on the device is at the address ELSEWHERE, with the same ports."""
    swapped: Fault | None = None
    """The image is accepted; from its restart on another device, with a MAC of its own, answers at the address."""
    slow: Fault | None = None
    """Every HTTP answer comes so many seconds later."""
    refuses: Fault | None = None
    """Every HTTP route answers 429, with the headers of its window; each counts as a refusal."""
    ota_dead: Fault | None = None
    """HTTP answers, an OTA invitation is met with silence."""
    http_dead: Fault | None = None
    """OTA answers, HTTP connections are refused; so nothing can prove that this is a simulator."""

    def __post_init__(self) -> None:
        """Refuse what no device could do."""
        for name in KNOWN:
            if (fault := self.get(name)) is not None:
                _check(name, fault)

    def get(self, name: str) -> Fault | None:
        """Return the fault of this name, as KNOWN spells it."""
        fault: Fault | None = getattr(self, name.replace("-", "_"))
        return fault

    def words(self) -> list[str]:
        """Return the words that `parse_faults` reads as these faults."""
        return [_word(name, fault) for name in KNOWN if (fault := self.get(name)) is not None]


class LiveFaults:
    """The faults of one simulated device while it runs; what has struck is forgotten when the process ends."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.off = False
        """Whether the device does not come back from its restart."""
        self._crawls = False
        self.loop: float | None = None
        """Seconds after which the running image restarts, if it does."""
        self._address: str | None = None
        self._mac: str | None = None
        self._left = {name: fault.times for name in KNOWN if (fault := faults.get(name)) is not None}

    def strikes(self, name: str) -> bool:
        """Tell whether a fault hits this transfer, and count that."""
        if name not in self._left:
            return False
        left = self._left[name]
        if left is not None:
            self._left[name] = max(left - 1, 0)
        return left != 0

    def interrupts(self, received: int, size: int) -> str | None:
        """Return the fault that ends a transfer after so many bytes of its size, and count it."""
        for name in ("cut", "stall"):
            fault = self.faults.get(name)
            if fault is not None and received * 100 >= size * fault.value and self.strikes(name):
                return name
        return None

    def accepted(self) -> None:
        """Decide what becomes of a device that has accepted an image; the image before takes its boot loop along."""
        looping = self.faults.boot_loop
        self.loop = looping.value if looping is not None and self.strikes("boot-loop") else None
        self.off = self.strikes("never-returns")
        if self.strikes("moves"):
            self._address = ELSEWHERE
        if self.strikes("swapped"):
            self._mac = STRANGER

    def seen_as(self, device: Device) -> Device:
        """Return who answers after the next start: the device, unless it has moved or another one is in its place."""
        return replace(device, address=self._address or device.address, mac=self._mac or device.mac)

    def crawling(self, device_reads: int) -> tuple[int, float]:
        """Return how many bytes are read at once, at most so many, and the seconds that takes."""
        fault = self.faults.crawl
        if fault is None or not self._crawls:
            return device_reads, 0.0
        piece = max(1, min(device_reads, int(fault.value)))
        return piece, piece / fault.value

    def invited(self) -> None:
        """Decide how fast the transfer is that begins."""
        self._crawls = self.strikes("crawl")


def parse_faults(words: Iterable[str]) -> Faults:
    """Read faults written as NAME[=VALUE][xCOUNT], for example cut=50x1.

    UsageError names a word that is no fault, and lists those there are.
    """
    found: dict[str, Fault] = {}
    for word in words:
        name, fault = _parsed(word)
        if name in found:
            raise UsageError(f"fault {name} is given twice", hint="name each fault once")
        found[name] = fault
    return Faults(**{name.replace("-", "_"): fault for name, fault in found.items()})


def faults_of(names: Iterable[str], faults: Mapping[str, Faults] | Faults | None) -> dict[str, Faults]:
    """Return the faults of each simulated device; UsageError for faults of one that is not simulated."""
    names = list(names)
    if faults is None or isinstance(faults, Faults):
        return dict.fromkeys(names, faults or Faults())
    if stray := sorted(faults.keys() - set(names)):
        raise UsageError(f"there are faults for {stray[0]}, which is not simulated", hint=f"known: {', '.join(names)}")
    return {name: faults.get(name, Faults()) for name in names}


def _parsed(word: str) -> tuple[str, Fault]:
    match = _WORD.fullmatch(word)
    name, value, times = match.groups() if match is not None else (word, None, None)
    kind = KNOWN.get(name)
    if kind is None:
        raise UsageError(f"fault {word!r} is unknown", hint=_known())
    if value is None:
        number = 0.0 if kind.value is None else kind.default
    else:
        number = float(value) if kind.value is not None and _NUMBER.fullmatch(value) else None
    if number is None:
        raise _refused(word, name)
    fault = Fault(number, None if times is None else int(times))
    _check(name, fault, word)
    return name, fault


def _check(name: str, fault: Fault, word: str | None = None) -> None:
    kind = KNOWN[name]
    counts = fault.times is None or (kind.counted and fault.times >= 1)
    if not (counts and kind.low <= fault.value <= kind.high):
        raise _refused(word or _word(name, fault), name)


def _refused(word: str, name: str) -> UsageError:
    kind = KNOWN[name]
    takes = f"a {kind.value} from {kind.low:g} to {kind.high:g}" if kind.value is not None else "no value"
    count = "optionally a count from x1 on" if kind.counted else "no count"
    return UsageError(f"fault {word!r} is refused: {name} takes {takes}; {count}", hint=_known())


def _known() -> str:
    return f"write {_GRAMMAR}; known are {', '.join(map(_usage, KNOWN))}"


def _usage(name: str) -> str:
    kind = KNOWN[name]
    value = f"={kind.value}" if kind.value is not None else ""
    return f"{name}[{value}]" if value and kind.default is not None else f"{name}{value}"


def _word(name: str, fault: Fault) -> str:
    number = int(fault.value) if float(fault.value).is_integer() else fault.value
    value = f"={number}" if KNOWN[name].value is not None or fault.value else ""
    return f"{name}{value}" + ("" if fault.times is None else f"x{fault.times}")
