"""What a verification of records found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it was sealed."""

    run: str
    """The record; empty where it is about the chain."""
    file: str
    """The file at fault; empty where it is no file."""
    what: str

    @property
    def text(self) -> str:
        """The problem in one line."""
        return f"{' '.join(part for part in (self.run, self.file) if part) or 'chain'}: {self.what}"

    def as_dict(self) -> dict[str, Any]:
        """Return the problem as JSON-able data."""
        return {"run": self.run, "file": self.file, "what": self.what}


@dataclass(frozen=True, slots=True)
class Unsealed:
    """A run that is under way, or that broke off and was not moved in yet: nothing of it is proven."""

    run: str
    running: bool

    @property
    def what(self) -> str:
        """Say why it is not sealed."""
        why = "it is running" if self.running else "it broke off, and the next start moves it in"
        return f"not sealed yet: {why}"

    def as_dict(self) -> dict[str, Any]:
        """Return the run as JSON-able data."""
        return {"run": self.run, "running": self.running, "what": self.what}


@dataclass(slots=True)
class ChainState:
    """What was found of one chain."""

    id: str
    seals: int = 0
    last: int = 0
    begins: dict[int, str] = field(default_factory=dict)
    """Why it begins, or goes on after its head was lost, by the number of the seal that says so."""

    def as_dict(self) -> dict[str, Any]:
        """Return the state as JSON-able data."""
        begins = [{"number": number, "why": why} for number, why in sorted(self.begins.items())]
        return {"id": self.id, "seals": self.seals, "last": self.last, "begins": begins}


@dataclass(slots=True)
class Verification:
    """The outcome of a verification."""

    records: int = 0
    files: int = 0
    chains: list[ChainState] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unsealed: list[Unsealed] = field(default_factory=list)
    """Runs that are not sealed yet; beside sealed ones that is no fault."""
    one: bool = False
    """One record was asked for."""

    @property
    def passes(self) -> bool:
        """Tell whether everything that was asked for is as it was sealed; where nothing is, nothing was proven."""
        return self.records > 0 and not self.problems and not (self.one and self.unsealed)

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-able data."""
        return {
            "passes": self.passes,
            "records": self.records,
            "files": self.files,
            "chains": [chain.as_dict() for chain in self.chains],
            "problems": [problem.as_dict() for problem in self.problems],
            "unsealed": [run.as_dict() for run in self.unsealed],
        }
