"""What lint finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that a definition breaks."""

    code: str
    """`R` and a number for a rule of Conductor itself, `K1-` and a word for one of this workbook."""
    where: str
    text: str
    mend: str
