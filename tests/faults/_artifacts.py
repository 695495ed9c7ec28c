"""Stored images that are not what they should be: none of them may reach the device."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from k1nb.config import environment
from k1nb.firmware import MAX_IMAGE_SIZE, Artifact, ArtifactStore, Grade, Ledger
from tests.faults._bench import BENCH, MAC, Bench
from tests.faults._table import Row

GROUP = "Stored images"
_CHIP = 12
"""Where an image's header names the chip; 9 is the ESP32-S3, 0 the ESP32."""


@dataclass(frozen=True)
class Spoilt:
    """What is done to a good image's bytes, whether its name follows, and what must be said."""

    fault: str
    change: Callable[[bytes], bytes]
    renamed: bool
    says: str


CASES = (
    Spoilt("for another chip", lambda image: image[:_CHIP] + bytes(2) + image[_CHIP + 2 :], True, "chip"),
    Spoilt("too large for the partition", lambda image: image + bytes(MAX_IMAGE_SIZE), True, "bytes"),
    Spoilt("cut short, under a name of its own", lambda image: image[: len(image) // 2], True, "image"),
    Spoilt("cut short on the disk", lambda image: image[: len(image) // 2], False, "damaged"),
    Spoilt(
        "one bit turned on the disk",
        lambda image: image[:-40] + bytes([image[-40] ^ 1]) + image[-39:],
        False,
        "damaged",
    ),
)


def run(bench: Bench, case: Spoilt) -> Row:
    """Ask for the deployment of a spoilt image, and hold what came of it to what must be."""
    bench.switch_on()
    began, flashes, running, good = time.monotonic(), bench.flashes, bench.running, bench.last_good
    store = ArtifactStore(bench.settings.paths)
    artifact = next(each for each in store.list() if each.id != running)
    kept = artifact.path.read_bytes()
    name = _spoil(artifact, kept, case)
    words = ["-i", f"device={BENCH}", "-i", f"artifact_id={name}", "-i", "reason=spoilt", "--follow", "--json"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "k1nb", "executions", "start", "device-deployment", *words],
            env=environment(bench.settings),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        artifact.path.write_bytes(kept)
        if name != artifact.id:
            store.remove(name)
    execution = json.loads(done.stdout)
    rows = [row for row in Ledger(bench.settings.paths).history(MAC) if row.execution_id == execution["id"]]
    grade = max((row.grade for row in rows), default=Grade.NONE)
    wrong = [
        *_wrong(done.returncode, execution, case),
        *(["the device was flashed"] if bench.flashes != flashes or bench.running != running else []),
        *(["the ledger's last good has changed"] if bench.last_good != good else []),
        *(["a grade was given"] if grade is not Grade.NONE else []),
        *(str(error) for error in store.damaged()),
    ]
    return Row(
        group=GROUP,
        fault=case.fault,
        happened=f"execution {execution['status']}; 0 flashes; {execution['reason'][:160]}",
        grade=grade.name,
        outcome="failed",
        exit_code=str(done.returncode),
        seconds=time.monotonic() - began,
        wrong=tuple(wrong),
    )


def _wrong(code: int, execution: dict[str, str], case: Spoilt) -> Iterator[str]:
    if execution["status"] != "FAILED" or code != 1:
        yield f"the execution is {execution['status']}, the exit code {code}"
    if case.says not in execution["reason"]:
        yield f"nobody says {case.says!r}"


def _spoil(artifact: Artifact, kept: bytes, case: Spoilt) -> str:
    """Put the spoilt bytes into the store, behind its back, and return under which name."""
    spoilt = case.change(kept)
    if not case.renamed:
        artifact.path.write_bytes(spoilt)
        return artifact.id
    name = hashlib.sha256(spoilt).hexdigest()
    facts = json.loads(artifact.path.with_suffix(".json").read_text())
    facts |= {"id": name, "size": len(spoilt), "md5": hashlib.md5(spoilt, usedforsecurity=False).hexdigest()}
    artifact.path.with_name(f"{name}.bin").write_bytes(spoilt)
    artifact.path.with_name(f"{name}.json").write_text(json.dumps(facts))
    return name
