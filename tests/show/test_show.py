"""The room's public names."""

from __future__ import annotations

import subprocess
import sys

from k1nb import show


def test_public_names() -> None:
    """Every name that the room promises is there."""
    assert all(hasattr(show, name) for name in show.__all__)


def test_printing_needs_no_matplotlib() -> None:
    """The command line prints without waiting for matplotlib."""
    subprocess.run([sys.executable, "-c", "import sys, k1nb.show; assert 'matplotlib' not in sys.modules"], check=True)
