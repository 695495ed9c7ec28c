"""What to do with a cable, where nothing goes over the air."""

from __future__ import annotations

import shlex

from k1nb.delivery.rollback._facts import RollbackFacts

OTADATA = (0xE000, 0x2000)
"""Offset and size of the partition that says which application boots; erased, it is app0."""
APP0 = 0x10000
"""Offset of the first application in every partition table of the K1."""


def serial_recovery(facts: RollbackFacts) -> list[str]:
    """Return the steps that put the target onto the device over USB, commands ready to be copied.

    For a sample image or a simulator there are no such commands: it must never be written to a chip.
    """
    device, target = facts.device, facts.target
    if facts.sample or device.kind == "simulator":
        return [
            f"artifact {target.id[:12]} is sample firmware: it must never be written to a real chip"
            if facts.sample
            else f"{device.label} is a simulator: there is no chip to write to",
            f"{device.label}: {device.retry_hint}",
        ]
    esptool = "python -m esptool --chip esp32s3 --port PORT"
    return [
        "connect the device by USB and put its serial port for PORT; esptool 5 is wanted (pip install 'esptool>=5')",
        f"{esptool} read-mac    # must say {device.mac.lower()}",
        f"{esptool} erase-region {OTADATA[0]:#x} {OTADATA[1]:#x}    # so that app0 boots",
        f"{esptool} write-flash {APP0:#x} {shlex.quote(str(target.path))}    # sha256 {target.id[:12]}",
        f"k1nb device info {device.name}    # after the restart: "
        + (f"must show {target.stamp}" if target.stamp else "the image carries no stamp to be shown"),
    ]
