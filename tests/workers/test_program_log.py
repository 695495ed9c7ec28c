"""Logs of programs that are not ours."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from k1nb._process import run_child
from k1nb.secrets import Redactor
from k1nb.workers._program_log import masking

SECRET = "c0rrect-horse"


def test_what_a_program_prints_is_masked_however_it_ends(tmp_path: Path) -> None:
    """Where it ends well, ends badly or is cancelled its log has no secret; another log stays as it is."""
    logs = [tmp_path / f"{name}.log" for name in ("good", "bad", "cancelled", "fine")]

    async def run(log: Path, code: str, end: str = "") -> None:
        async with masking(log, Redactor([SECRET])):
            argv = [sys.executable, "-S", "-u", "-c", code]
            running = asyncio.create_task(run_child(argv, cwd=tmp_path, env=dict(os.environ), log=log, stop_within=1))
            if end == "cancelled":
                await asyncio.to_thread(_until_said, log)
                running.cancel()
            await running
            if end:
                raise ValueError(end)

    asyncio.run(run(logs[0], f"print('#define PASSWORD {SECRET}')"))
    with pytest.raises(ValueError, match="bad"):
        asyncio.run(run(logs[1], f"raise SystemExit('#define PASSWORD {SECRET}')", "bad"))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run(logs[2], f"print('#define PASSWORD {SECRET}'); import time; time.sleep(60)", "cancelled"))
    asyncio.run(run(logs[3], "print('#define PASSWORD')"))
    assert [log.read_text().strip() for log in logs] == ["#define PASSWORD [redacted]"] * 3 + ["#define PASSWORD"]
    with pytest.raises(ValueError, match="before"):
        asyncio.run(_breaks(tmp_path / "none.log"))
    assert not (tmp_path / "none.log").exists()


def _until_said(log: Path) -> None:
    while not (log.is_file() and log.stat().st_size):
        time.sleep(0.02)


async def _breaks(log: Path) -> None:
    async with masking(log, Redactor([SECRET])):
        raise ValueError("before it began")
