"""What every command shares."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import structlog
from k1nb.cli import _output

_output.settings()
log = structlog.get_logger("test")
try:
    raise ValueError("https://correct-horse-battery@example.invalid")
except ValueError:
    log.exception("failed for correct-horse-battery", reason="correct-horse-battery", number=7)
"""


def test_no_secret_reaches_the_log(tmp_path: Path) -> None:
    """Secrets are masked in all that a log line carries, the text of a traceback too."""
    environment = {**os.environ, "K1NB_HOME": str(tmp_path), "CONDUCTOR_AUTH_SECRET": "correct-horse-battery"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert "ValueError: https://[redacted]@example.invalid" in done.stderr
    assert ("correct-horse" in done.stderr, done.stderr.count("[redacted]"), "number=7" in done.stderr) == (
        False,
        3,
        True,
    )
