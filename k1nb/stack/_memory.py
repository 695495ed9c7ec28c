"""What must be remembered of the services though supervisord forgets it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from k1nb.config import Settings
from k1nb.paths import write_text


@dataclass(slots=True)
class Memory:
    """Which services were stopped on purpose, why a start failed, and which secrets supervisord was given."""

    file: Path
    on_purpose: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    secrets: str = ""
    """Digest of the secrets in supervisord's environment, which no configuration file may hold."""

    @classmethod
    def read(cls, settings: Settings) -> Memory:
        """Return what is remembered; nothing where the file is missing or damaged, for it only explains."""
        file = settings.paths.stack / "services.json"
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            return cls(file, list(known["on_purpose"]), dict(known["failures"]), str(known["secrets"]))
        except (OSError, ValueError, TypeError, KeyError):
            return cls(file)

    def started(self, name: str) -> None:
        """Note that the service is wanted."""
        self._note(on_purpose=set(self.on_purpose) - {name}, name=name, failure=None)

    def stopped(self, name: str) -> None:
        """Note that the service was stopped on purpose."""
        self._note(on_purpose={*self.on_purpose, name}, name=name, failure=None)

    def failed(self, name: str, why: str) -> None:
        """Note why the service's start failed."""
        self._note(on_purpose=set(self.on_purpose) - {name}, name=name, failure=why)

    def given(self, secrets: str) -> None:
        """Note which secrets supervisord was started with."""
        self.secrets = secrets
        self._write()

    def _note(self, *, on_purpose: Iterable[str], name: str, failure: str | None) -> None:
        before = asdict(self)
        self.on_purpose = sorted(on_purpose)
        self.failures = {n: why for n, why in self.failures.items() if n != name} | ({name: failure} if failure else {})
        if asdict(self) != before:
            self._write()

    def _write(self) -> None:
        facts = {"on_purpose": self.on_purpose, "failures": self.failures, "secrets": self.secrets}
        write_text(self.file, json.dumps(facts, indent=1) + "\n")


def secrets_digest(settings: Settings) -> str:
    """Return a digest that changes with any secret's value."""
    text = json.dumps([str(settings.home), *settings.secrets()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
