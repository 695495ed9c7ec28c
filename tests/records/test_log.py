"""The kernel's log, masked on its way to the disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pydantic import SecretStr

from k1nb.config import Settings
from k1nb.records._log import redacted_log

SECRET = "c0rrect-horse"


def test_what_a_child_writes_in_pieces_is_masked(settings: Settings, tmp_path: Path) -> None:
    """A secret that a child writes in two pieces is masked, and all else is there as it was written."""
    guarded = settings.model_copy(update={"github_webhook_secret": SecretStr(SECRET)})
    code = "import os, sys, time\nfor part in sys.argv[1:]: os.write(1, part.encode()); time.sleep(0.1)"
    with redacted_log(tmp_path / "kernel.log", guarded) as log:
        words = ["before ", SECRET[:6], f"{SECRET[6:]} after\n", "x" * 9000]
        subprocess.run([sys.executable, "-c", code, *words], stdout=log, check=True)
    assert (tmp_path / "kernel.log").read_text() == "before [redacted] after\n" + "x" * 9000


def test_a_log_that_cannot_be_written_blocks_nobody(settings: Settings) -> None:
    """A child goes on where its log has no room any more."""
    full = Path("/dev/full")
    if not full.exists():
        full = Path("/dev/null")
    with redacted_log(full, settings) as log:
        subprocess.run([sys.executable, "-c", "print('x' * 500_000)"], stdout=log, check=True)
