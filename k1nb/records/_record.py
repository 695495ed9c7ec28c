"""A record: one run's manifest and the files beside it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import psutil
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from k1nb import __version__
from k1nb.checks import Check, Verdict, verdict
from k1nb.errors import RecordError
from k1nb.paths import write_text
from k1nb.records._redaction import scrub
from k1nb.secrets import Redactor

MANIFEST = "manifest.json"
SIGNATURE = f"{MANIFEST}.minisig"
NOTEBOOK = "notebook.ipynb"
STAGING = ".staging"
"""Folder beside the records in which runs grow; see `Paths.staging`."""
FORMAT: Literal[1] = 1
_EARLIER = re.compile(r"manifest\.([1-9][0-9]{0,11})\.json")

# A run's id becomes a folder's name, also when it comes out of an imported file.
RunId = Annotated[str, Field(pattern=r"^[0-9]{8}-[0-9]{6}-[A-Za-z0-9_-]{1,80}$")]
_FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"
FileName = Annotated[str, Field(pattern=_FILE_NAME)]
_FREE_TEXT = (
    *("reason", "parameters", "checks", "executions", "artifacts", "devices", "versions"),
    *("target", "host", "user"),
)
UNMASKED = "held a secret that could not be masked, and was not kept"


class Process(BaseModel):
    """The process that a staged run lives in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    started: float
    """Unix time; a pid alone comes back."""

    @classmethod
    def own(cls) -> Self:
        """Return the process that calls."""
        process = psutil.Process()
        return cls(pid=process.pid, started=process.create_time())

    @property
    def alive(self) -> bool:
        """Tell whether this very process still runs on this machine."""
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


def versions_of(*packages: str) -> dict[str, str]:
    """Return the versions of k1nb, of Python and of these installed packages, and the platform."""
    own = {"k1nb": __version__, "python": platform.python_version(), "platform": sys.platform}
    return own | {name: version(name) for name in packages}


class Seal(BaseModel):
    """Where a manifest stands in the chain of all that were sealed here; the signature lies beside the manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chain: str
    """Id of the key that signs this chain, in hex as minisign shows it."""
    number: int
    """Place in the order of sealing, from 1."""
    previous: str | None = None
    """SHA-256 of the manifest that was sealed before it; None for the first one of a chain."""
    at: AwareDatetime
    begins: str = ""
    """Why a chain begins here."""
    after: dict[str, str] = Field(default_factory=dict)
    """The chains that were here when this one began, each with the sum of its last manifest where that was known."""
    earlier: int | None = None
    """Number of the seal of the same record that this one takes the place of: a file has joined it, or was pruned."""


class Imported(BaseModel):
    """How a record came in whose run was not seen here: all else that it says is what its notebook said of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: AwareDatetime
    by: str
    """User who imported it."""
    host: str
    """Machine that it was imported on."""
    sha256: str
    """Of the notebook's file as it was imported."""

    def __str__(self) -> str:
        """Say it as people are told of it."""
        when = f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return f"imported at {when} by {self.by} on {self.host}: what it says of itself was not seen here"


class Manifest(BaseModel):
    """What is known of a run: its verdict, what the verdict rests on, and the sums of its files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = FORMAT
    run: RunId
    notebook: str
    verdict: Verdict = Verdict.INTERRUPTED
    reason: str = ""
    """Why a run did not conclude, or what broke after it had."""
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    executions: tuple[str, ...] = ()
    """Executions on the workflow server that the run started or looked at."""
    artifacts: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    """Names of the devices that the run looked at or changed."""
    resumes: RunId | None = None
    """The broken run that this one went on from."""
    target: str = ""
    """Where Conductor ran, and its address."""
    source: str = ""
    """SHA-256 of the notebook's file as it was run, where that is known."""
    cell_seconds: tuple[float | None, ...] = ()
    """How long each cell of the executed notebook took; None for one that did not run."""
    redactions: int = 0
    """Places in which a secret was masked."""
    versions: dict[str, str] = Field(default_factory=versions_of)
    host: str = Field(default_factory=platform.node)
    user: str = Field(default_factory=lambda: psutil.Process().username())
    imported: Imported | None = None
    """Set where the run was not seen here."""
    process: Process | None = None
    """Set while the run is staged."""
    files: dict[FileName, str] = Field(default_factory=dict)
    """SHA-256 of every other file of the record, by name; signatures and earlier manifests are none of them."""
    pruned: dict[FileName, str] = Field(default_factory=dict)
    """Files that were removed since, and their sums."""
    seal: Seal | None = None

    @property
    def honest(self) -> bool:
        """Tell whether the verdict follows from the checks."""
        return self.verdict is Verdict.INTERRUPTED or self.verdict is verdict(self.checks)

    @property
    def passes(self) -> bool:
        """Tell whether the run ends with exit code 0; its parameter `strict` refuses WARN."""
        return self.verdict.passes(strict=self.parameters.get("strict") is True)

    @property
    def clock_set_back(self) -> bool:
        """Tell whether it ended before it began: nobody knows how long it took then."""
        return self.ended_at is not None and self.ended_at < self.started_at

    @property
    def seconds(self) -> float | None:
        """How long the run took; None while it lasts, and where its clock was set back meanwhile."""
        if self.ended_at is None or self.clock_set_back:
            return None
        return (self.ended_at - self.started_at).total_seconds()

    def redacted(self, redact: Redactor) -> Manifest:
        """Return the manifest with every secret masked in what people and servers wrote into it.

        A field in which one cannot be masked, as one that is split between names and values, is left out whole.
        """
        data = self.model_dump(mode="json")
        clean = Manifest.model_validate(data | {name: scrub(data[name], redact) for name in _FREE_TEXT})
        if not clean.leaks(redact):
            return clean
        told = [name for name in _FREE_TEXT if redact.found(json.dumps({name: clean.model_dump(mode="json")[name]}))]
        left = clean._without(told)
        return left if told and not left.leaks(redact) else clean._without(_FREE_TEXT)

    def leaks(self, redact: Redactor) -> bool:
        """Tell whether a secret is in the manifest as it would be written."""
        return bool(redact.found(manifest_text(self)) or redact.found(self.model_dump_json()))

    def _without(self, names: Sequence[str]) -> Manifest:
        """Return a copy with these fields empty, and a word of that; no verdict outlives its checks."""
        left = self.changed(**{name: type(getattr(self, name))() for name in names})
        said = f"{', '.join(names)} {UNMASKED}"
        left = left.changed(reason="; ".join(filter(None, (left.reason, said))))
        return left if left.honest else left.changed(verdict=Verdict.INTERRUPTED)

    def foreign(self, file: bytes) -> Manifest:
        """Return the manifest as that of a run that a notebook from elsewhere tells of, given the notebook's bytes.

        What only who keeps a record can know of it is dropped.
        """
        here = Imported(
            at=datetime.now(UTC),
            by=psutil.Process().username(),
            host=platform.node(),
            sha256=hashlib.sha256(file).hexdigest(),
        )
        known: dict[str, Any] = {"resumes": None, "cell_seconds": (), "redactions": 0, "process": None}
        return self.changed(**known, files={}, pruned={}, seal=None, imported=here)

    def changed(self, **changes: Any) -> Manifest:
        """Return a copy with these fields set."""
        return self.model_copy(update=changes)


@dataclass(frozen=True, slots=True)
class Record:
    """One run as it is kept; see `Manifest` for the meaning of the fields."""

    manifest: Manifest
    folder: Path
    running: bool = False
    """The run has not concluded, and its process is alive."""
    as_sealed: bool | None = None
    """Its manifest is what was signed for it; None where that was not looked at, or where it is not sealed yet."""

    @property
    def staged(self) -> bool:
        """Tell whether it is not moved in yet: nothing of it is proven."""
        return self.folder.parent.name == STAGING

    @property
    def id(self) -> str:
        """The run's identifier."""
        return self.manifest.run

    @property
    def notebook(self) -> str:
        """Name of the notebook that was run."""
        return self.manifest.notebook

    @property
    def verdict(self) -> Verdict:
        """What the run adds up to."""
        return self.manifest.verdict

    @property
    def reason(self) -> str:
        """Why the run did not conclude."""
        return self.manifest.reason

    @property
    def passes(self) -> bool:
        """Tell whether the run ends with exit code 0."""
        return self.manifest.passes

    @property
    def started_at(self) -> datetime:
        """When the run began."""
        return self.manifest.started_at

    @property
    def ended_at(self) -> datetime | None:
        """When the run concluded or broke."""
        return self.manifest.ended_at

    @property
    def seconds(self) -> float | None:
        """How long the run took, where that is known."""
        return self.manifest.seconds

    @property
    def checks(self) -> tuple[Check, ...]:
        """The run's checks in the order they were made."""
        return self.manifest.checks

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The values the notebook was given."""
        return self.manifest.parameters

    @property
    def files(self) -> Mapping[str, str]:
        """SHA-256 of the record's files, by name."""
        return self.manifest.files

    @property
    def executed(self) -> Path | None:
        """The executed notebook, once it has joined the record."""
        return self.folder / NOTEBOOK if NOTEBOOK in self.files else None

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able data."""
        data = self.manifest.model_dump(mode="json", exclude={"process"})
        return data | {"folder": str(self.folder), "running": self.running, "as_sealed": self.as_sealed}


def new_id(notebook: str, *, now: datetime | None = None) -> str:
    """Name a new run by its time (UTC), its notebook and six random digits; names sort by time."""
    return f"{now or datetime.now(UTC):%Y%m%d-%H%M%S}-{_plain(notebook)}-{secrets.token_hex(3)}"


def id_of_bytes(notebook: str, when: datetime, data: bytes) -> str:
    """Name a run that named itself nowhere, by its bytes: the same bytes are the same run."""
    return f"{when.astimezone(UTC):%Y%m%d-%H%M%S}-{_plain(notebook)}-{hashlib.sha256(data).hexdigest()[:6]}"


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", name)[:60] or "notebook"


def manifest_text(manifest: Manifest) -> str:
    """Return the text of a manifest's file."""
    data = manifest.model_dump(mode="json", exclude={"process"} if manifest.process is None else None)
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest into its record's folder, whole."""
    write_text(folder / MANIFEST, manifest_text(manifest))


def earlier_manifest(number: int) -> str:
    """Name the file that keeps a manifest of this number whose place another one has taken."""
    return f"manifest.{number}.json"


def earlier_manifests(folder: Path) -> dict[int, Path]:
    """Return the manifests whose place others have taken, by their seals' numbers."""
    return {int(match[1]): folder / match[0] for match in map(_EARLIER.fullmatch, _names(folder)) if match}


def sum_of(file: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def signature_of(file: Path) -> Path:
    """Return where the signature of a file lies."""
    return file.with_name(f"{file.name}.minisig")


def files_in(folder: Path) -> list[Path]:
    """Return a record's files, without its manifests and their signatures and without hidden ones."""
    names = [name for name in sorted(_names(folder)) if not name.startswith(".")]
    return [folder / name for name in names if not _is_manifest(name.removesuffix(".minisig"))]


def is_file_name(name: str) -> bool:
    """Tell whether a manifest takes a file of that name."""
    return re.fullmatch(_FILE_NAME, name, re.ASCII) is not None and not name.endswith("\n")


def _names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _is_manifest(name: str) -> bool:
    return name == MANIFEST or _EARLIER.fullmatch(name) is not None


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a record's folder; raises RecordError where it is missing or damaged."""
    file = folder / MANIFEST
    try:
        if file.exists() and not file.is_file():  # a pipe would be waited at for ever
            raise _damaged(file, "it is no plain file")
        return Manifest.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(file, str(error)) from error
    except ValidationError as error:
        raise _damaged(file, wrong_field(error)) from error


def _damaged(file: Path, why: str) -> RecordError:
    return RecordError(
        f"{file} cannot be read: {why}", hint="restore it from a backup; what its run found is not known"
    )


def wrong_field(error: ValidationError) -> str:
    """Say which field of a manifest is wrong, and how."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    return f"{field}: {first['msg']}" if field else first["msg"]
