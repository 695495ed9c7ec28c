"""What every benchmark shares: a scratch home, repeated runs, and rows of a table."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from k1nb import stack
from k1nb._http import free_port
from k1nb.config import PREFIX, Settings, load
from k1nb.paths import write_text


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of ours beside that of a peer, in the same unit; `aim` is the ratio wanted at most."""

    part: str
    what: str
    unit: str
    ours: Sequence[float]
    peer: str = ""
    theirs: Sequence[float] = ()
    aim: float | None = None
    """Of the ratio to the peer; without a ratio, of the figure itself."""

    @property
    def ratio(self) -> float | None:
        """Ours by theirs, of the medians; None of counts, and where there is nothing to divide by."""
        theirs = statistics.median(self.theirs) if self.theirs and self.unit else 0.0
        return statistics.median(self.ours) / theirs if theirs else None

    @property
    def reached(self) -> bool | None:
        """Tell whether the aim is reached; None without one."""
        if self.aim is None:
            return None
        return (self.ratio if self.ratio is not None else min(self.ours)) <= self.aim


@contextmanager
def home() -> Iterator[Settings]:
    """Yield the settings of a scratch home with ports of its own, and end its stack; the cache is shared."""
    with TemporaryDirectory(prefix="k1nb-bench-") as folder:
        lines = (
            f'conductor_server_url = "http://127.0.0.1:{free_port()}/api"',
            f"metrics_port = {free_port()}",
            f"exporter_port = {free_port()}",
        )
        write_text(Path(folder) / "k1nb.toml", "\n".join(lines) + "\n")
        before = os.environ.get(f"{PREFIX}HOME")
        os.environ[f"{PREFIX}HOME"] = folder
        settings = load()
        try:
            yield settings
        finally:
            stack.down(settings)
            os.environ.pop(f"{PREFIX}HOME")
            if before is not None:
                os.environ[f"{PREFIX}HOME"] = before


def k1nb(*words: str) -> list[str]:
    """Return the command line of k1nb under this interpreter."""
    return [str(Path(sys.executable).with_name("k1nb")), *words]
