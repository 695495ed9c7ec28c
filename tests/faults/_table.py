"""Rows of the fault matrix and the page they are written into."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from k1nb import __version__
from k1nb.paths import write_text
from k1nb.stack._jar import SERVER

_HEAD = ("fault", "what happened", "grade", "outcome", "verdict", "exit code", "lost", "the same again", "seconds")
_PARTS = ("A matrix that goes on where an earlier part ended mixes the states of k1nb that it was run on.", "")


@dataclass(frozen=True, slots=True)
class Row:
    """What one fault led to."""

    group: str
    fault: str
    happened: str
    grade: str = "–"
    outcome: str = "–"
    verdict: str = "–"
    exit_code: str = "–"
    lost: str = "nothing"
    rerun: str = "–"
    """What the same delivery does afterwards, with the fault gone."""
    seconds: float = 0.0
    wrong: Sequence[str] = field(default=())
    """Where this is not what must be, one text each."""

    @property
    def cells(self) -> tuple[str, ...]:
        """The row's texts in the order of the table's head."""
        happened = self.happened + "".join(f"; **WRONG: {text}**" for text in self.wrong)
        return (
            self.fault,
            happened,
            self.grade,
            self.outcome,
            self.verdict,
            self.exit_code,
            self.lost,
            self.rerun,
            f"{self.seconds:.0f}",
        )


def write_page(file: Path, rows: Sequence[Row], *, scale: float, missing: Sequence[str]) -> None:
    """Write the page with one table for all rows, whole or not at all."""
    write_text(file, page(rows, scale=scale, missing=missing), mode=0o644)


def read_rows(file: Path) -> list[Row]:
    """Return the rows of an earlier part of the matrix; none where there was none."""
    return (
        [Row(**{**item, "wrong": tuple(item["wrong"])}) for item in json.loads(file.read_text())]
        if file.exists()
        else []
    )


def write_rows(file: Path, rows: Sequence[Row]) -> None:
    """Keep rows for a later part of the matrix."""
    write_text(file, json.dumps([asdict(row) for row in rows], indent=1))


def replaced(rows: Sequence[Row], new: Row) -> list[Row]:
    """Return the rows with a new one in the place of the one for the same fault, or at the end."""
    same = (new.group, new.fault)
    places = [n for n, row in enumerate(rows) if (row.group, row.fault) == same] or [len(rows)]
    return [*rows[: places[0]], new, *rows[places[0] + 1 :]]


def page(rows: Sequence[Row], *, scale: float, missing: Sequence[str] = ()) -> str:
    """Return the page as Markdown; `missing` are the rows that were not run."""
    wrong, minutes = sum(bool(row.wrong) for row in rows), sum(row.seconds for row in rows) / 60
    whole = len(rows) + len(missing)
    versions = ", ".join(
        (
            f"k1nb {__version__}",
            f"Conductor OSS {SERVER.version}",
            f"PlatformIO {version('platformio')}",
            f"papermill {version('papermill')}",
            f"Python {platform.python_version()}",
            f"{platform.system()} {platform.machine()}",
        )
    )
    lines = [
        "# Faults",
        "",
        "Written by `make faults`, which breaks the line on purpose, on a Conductor of its own and a simulated device,",
        "and holds each end state to what must be. Every row is a delivery of a fresh commit by the notebook",
        "`firmware_deploy`, but where its group says another thing.",
        "",
        f"Last written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC with {versions};",
        f"waits scaled by {scale:g}. {len(rows)} of {whole} rows in {minutes:.0f} minutes, {wrong or 'none'} wrong.",
        "",
        *(_PARTS if missing else ()),
        "- **grade, outcome**: of the deployment, as the execution and the ledger have it.",
        "- **verdict, exit code**: of the notebook's run, as `k1nb run` ended.",
        "- **lost**: what should be there afterwards and is not: the execution's end, the run's record, every stored",
        "  image and the ledger in one piece, the image that the outcome says the device runs.",
        "- **the same again**: what the same delivery does once the fault is gone; – where it was not asked for again.",
        "- *flashes* counts images that the device has accepted completely.",
        "",
        _line(_HEAD),
        _line("---" for _ in _HEAD),
    ]
    for group in dict.fromkeys(row.group for row in rows):
        lines.append(_line((f"**{group}**", *("" for _ in _HEAD[1:]))))
        lines += [_line(row.cells) for row in rows if row.group == group]
    if missing:
        lines += ["", f"Not run yet, so nothing is known of them: {'; '.join(missing)}."]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
