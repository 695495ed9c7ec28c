"""What records cost and how fast they are found: overhead of a run, a daily look, search over ten thousand of them."""

from __future__ import annotations

import hashlib
import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks._measure import Row, home, k1nb
from k1nb import stack
from k1nb._http import free_port
from k1nb.checks import Verdict
from k1nb.config import Settings
from k1nb.device import Device, Inventory
from k1nb.paths import share
from k1nb.records import Archive, Index, Record, Wanted, search, verify
from k1nb.records._archive import folders
from k1nb.records._chain import KEY, Head, SignedHead
from k1nb.records._minisign import SecretKey
from k1nb.records._record import MANIFEST, Seal, files_in, manifest_text, read_manifest, signature_of

COUNT = 10_000
NOTEBOOK = "prerequisites"
"""It needs no server, so that nothing but the runner differs."""
PEER = "papermill"
ASKED = (
    Wanted("heap"),
    Wanted('"free heap" demo'),
    Wanted("daily_health FAIL"),
    Wanted("brownout", verdict="FAIL"),
    Wanted(check="free heap=FAIL"),
    Wanted("uptime", mentions={"device": "k1-007"}),
    Wanted(notebook="daily_health", verdict="WARN"),
    Wanted("nothing that anybody wrote"),
)
"""Questions that people ask: a common word, a phrase, a rare word, checks, devices, and one without an answer."""


def note() -> str:
    """Say what was measured, and how."""
    return (
        f"Records: the notebook `{NOTEBOOK}` by `k1nb run` and by `papermill` of the same environment, in turn; its "
        f"overhead is the median of ours less 1.1 times the median of theirs. `daily_health` runs headless against the "
        f"local stack with one simulated device. The archive is {COUNT:,} records with manifests and notebooks "
        f"made from one of those runs; {len(ASKED)} questions are asked through the library with the index up to date, "
        "looking for news included, and one by the command line. The same archive is signed as one chain and verified "
        "whole."
    )


def rows(runs: int, say: Callable[[str], None]) -> list[Row]:
    """Measure a run beside papermill's, a daily look, and the archive's index."""
    with home() as settings:
        found = _overhead(runs, say)
        where = ("127.0.0.1", free_port(), free_port())
        Inventory(settings.paths).add(Device("bench", "02:4B:31:00:01:00", *where, kind="simulator"))
        stack.up(settings, (), say)
        daily = [_seconds(k1nb("run", "daily_health")) for _ in range(runs)]
        say(f"daily_health {statistics.median(daily):.2f} s")
        found.append(Row("records", "daily_health, headless, on the local stack", "s", daily, aim=6))
        model = next(r for r in Archive(settings.paths).list() if r.notebook == "daily_health")
        stack.down(settings)
        return found + _archive(settings, model, runs, say)


def _overhead(runs: int, say: Callable[[str], None]) -> list[Row]:
    ours, theirs = [], []
    source = str(share("notebooks") / f"{NOTEBOOK}.ipynb")
    papermill = str(Path(k1nb()[0]).with_name("papermill"))
    with TemporaryDirectory() as folder:
        for number in range(runs + 1):
            plain = _seconds([papermill, "--no-progress-bar", source, f"{folder}/{number}.ipynb"])
            own = _seconds(k1nb("run", NOTEBOOK))
            if number:  # the first pair fills the caches
                theirs.append(plain)
                ours.append(own)
                say(f"{NOTEBOOK} {number}: k1nb run {own:.2f} s, papermill {plain:.2f} s")
    over = statistics.median(ours) - 1.1 * statistics.median(theirs)
    return [
        Row("records", f"a run of {NOTEBOOK}", "s", ours, PEER, theirs),
        Row("records", "overhead of k1nb run beyond 10 % of papermill", "s", [over], aim=0.3),
    ]


def _archive(settings: Settings, model: Record, runs: int, say: Callable[[str], None]) -> list[Row]:
    fill(settings, model, COUNT)
    say(f"{COUNT} records written")
    began = time.monotonic()
    count = Index(settings).rebuild()
    rebuilt = time.monotonic() - began
    say(f"index of {count} records in {rebuilt:.1f} s, {Index(settings).file.stat().st_size / 2**20:.0f} MiB")
    spent = []
    for wanted in ASKED * runs:
        began = time.monotonic()
        search(settings, wanted)
        spent.append((time.monotonic() - began) * 1000)
    say(f"search {statistics.median(spent):.0f} ms, at most {max(spent):.0f} ms")
    shown = [_seconds(k1nb("records", "search", "heap")) for _ in range(runs)]
    verified = _verified(settings, runs, say)
    return [
        Row(
            "records",
            f"search over {COUNT:,} records, {len(ASKED)} questions",
            "ms",
            [statistics.median(spent)],
            aim=100,
        ),
        Row("records", "the slowest of these questions", "ms", [max(spent)]),
        Row("records", f"k1nb records search, {COUNT:,} records", "s", shown),
        Row("records", f"index of {COUNT:,} records made anew", "s", [rebuilt]),
        Row("records", f"{COUNT:,} records verified, with their notebooks", "s", verified, aim=10),
    ]


def fill(settings: Settings, model: Record, count: int) -> None:
    """Write so many records like the model, each with its own time, device, verdict and evidence."""
    manifest = json.loads((model.folder / "manifest.json").read_text(encoding="utf-8"))
    notebook = (model.folder / "notebook.ipynb").read_text(encoding="utf-8")
    shutil.rmtree(settings.paths.records)
    for number in range(count):
        began = model.started_at - timedelta(minutes=30 * number)
        device = f"k1-{number % 50:03d}"
        run = f"{began:%Y%m%d-%H%M%S}-{model.notebook}-{number:06x}"
        folder = settings.paths.records / run
        folder.mkdir(parents=True)
        text = json.dumps(_varied(manifest, run, number, began, device))
        (folder / "manifest.json").write_text(text, encoding="utf-8")
        (folder / "notebook.ipynb").write_text(
            notebook.replace(model.id, run).replace("bench", device), encoding="utf-8"
        )


def _varied(model: dict[str, Any], run: str, number: int, began: datetime, device: str) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(json.dumps(model).replace("device bench", f"device {device}"))
    heap = next(check for check in manifest["checks"] if check["name"].endswith("free heap"))
    heap["evidence"] = f"{150_000 - number} B free, at least 50,000 wanted"
    if number % 20 == 0:
        heap.update(status="FAIL", hint="look at its serial output", evidence="12,288 B free after a brownout")
        manifest["verdict"] = Verdict.FAIL.value
    ended = (began + timedelta(seconds=5)).isoformat()
    return manifest | {"run": run, "started_at": began.isoformat(), "ended_at": ended, "devices": [device]}


def _verified(settings: Settings, runs: int, say: Callable[[str], None]) -> list[float]:
    """Sign the archive as one chain, and return how long its verification takes."""
    seal_all(settings)
    spent = []
    for _ in range(runs):
        began = time.monotonic()
        found = verify(settings.paths)
        spent.append(time.monotonic() - began)
        if not found.passes or found.records != COUNT:
            raise AssertionError(f"what was signed does not verify: {found.problems[:3]}")
    say(f"{COUNT} records verified in {statistics.median(spent):.1f} s")
    return spent


def seal_all(settings: Settings) -> None:
    """Sign every record, the oldest first, without waiting for the disk as sealing does."""
    key = SecretKey.parse((settings.paths.keys / KEY).read_text(encoding="utf-8"))
    records, previous = settings.paths.records, None
    for number, folder in enumerate(sorted(folders(records)), 1):
        manifest = read_manifest(folder)
        sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files_in(folder)}
        seal = Seal(chain=key.public.id, number=number, previous=previous, at=manifest.started_at)
        text = manifest_text(manifest.changed(files=sums, seal=seal))
        (folder / MANIFEST).write_text(text, encoding="utf-8")
        signature_of(folder / MANIFEST).write_text(key.sign(text.encode(), f"record {number}"), encoding="utf-8")
        previous = hashlib.sha256(text.encode()).hexdigest()
    head = Head(chain=key.public.id, number=number, manifest=str(previous), run=folder.name, at=manifest.started_at)
    signed = SignedHead(head, key.sign(head.text.encode(), "head"))
    (records / f"{key.public.id}.pub").write_text(key.public.text, encoding="utf-8")
    (records / f"{key.public.id}.head").write_text(signed.text, encoding="utf-8")


def _seconds(command: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(command, capture_output=True, check=True)
    return time.monotonic() - began
