"""What lint finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that a definition breaks."""

    code: str
    """That of a rule in `RULES`."""
    where: str
    """The definition, e.g. `workflow firmware-build v1`, and after a colon the place in it."""
    text: str
    mend: str

    @property
    def subject(self) -> str:
        """The definition alone, as plans and differences name it."""
        return self.where.partition(":")[0]
