"""Where things live: state under one home, what can be fetched again under a cache, data with the package."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from k1nb.errors import StorageError


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders of one installation, derived from its home and cache."""

    home: Path
    cache: Path
    artifacts: Path

    @property
    def settings_file(self) -> Path:
        """The file of settings, `k1nb.toml`."""
        return self.home / "k1nb.toml"

    @property
    def records(self) -> Path:
        """The archive of concluded runs."""
        return self.home / "records"

    @property
    def staging(self) -> Path:
        """Runs that have not concluded yet."""
        return self.home / "records" / ".staging"

    @property
    def keys(self) -> Path:
        """The keys of this installation, for its owner alone."""
        return self.home / "keys"

    @property
    def archive(self) -> Path:
        """Records as pages for a browser; made from them, and made anew at any time."""
        return self.home / "archive"

    @property
    def stack(self) -> Path:
        """Configuration, data and logs of the local services."""
        return self.home / "stack"

    @property
    def builds(self) -> Path:
        """The one root under which builds may create and delete folders."""
        return self.home / "builds"

    @property
    def reports(self) -> Path:
        """Reports of pattern tests, and their baselines."""
        return self.artifacts / "reports"

    @property
    def audio(self) -> Path:
        """Downloaded audio files, and what was read out of them."""
        return self.artifacts / "audio"

    @property
    def devices(self) -> Path:
        """Inventory, per-device locks and snapshots."""
        return self.home / "devices"

    @property
    def simulators(self) -> Path:
        """Flash contents and identity tokens of simulated devices."""
        return self.home / "simulators"

    @property
    def ledger(self) -> Path:
        """The SQLite file of the ledger."""
        return self.home / "ledger.sqlite"

    @property
    def logs(self) -> Path:
        """Build and notification logs."""
        return self.home / "logs"

    @property
    def outputs(self) -> Path:
        """Task outputs that are too large for the server."""
        return self.home / "outputs"

    @property
    def effects(self) -> Path:
        """What task functions have done once and must not do again."""
        return self.home / "effects"

    @property
    def consents(self) -> Path:
        """Plans that people have consented to and that concern production devices."""
        return self.home / "consents"

    @property
    def webapps(self) -> Path:
        """Where web apps go that no other target is set for."""
        return self.home / "webapps"

    @property
    def sample_repository(self) -> Path:
        """The git repository of sample firmware that the demo keeps."""
        return self.home / "demo" / "k1nb-sample"

    @property
    def runtime(self) -> Path:
        """A short private folder for sockets, which must stay under 104 characters; raises StorageError."""
        digest = hashlib.sha256(os.fsencode(self.home.resolve())).hexdigest()[:12]
        try:
            folder = tempfile.gettempdir()
        except OSError as error:
            raise StorageError(f"there is no folder for sockets: {error}", hint="free space, or set TMPDIR") from error
        return Path(folder) / f"k1nb-{os.getuid()}-{digest}"


def share(kind: str) -> Path:
    """Return the folder `data`, `notebooks` or `runbooks`, from the wheel or the checkout.

    Raises StorageError where the installation lacks it.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_share" / kind, package.parent / kind):
        if folder.is_dir():
            return folder
    raise StorageError(f"this installation of k1nb has no folder {kind!r}", hint="install k1nb again")


def private(folder: Path) -> Path:
    """Create `folder` for its owner alone and return it; raises StorageError if that cannot be had."""
    try:
        _make(folder)
        owner = folder.stat().st_uid
    except OSError as error:
        raise unwritable(folder, error) from error
    if owner != os.getuid():
        raise StorageError(
            f"{folder} belongs to another user", hint="work as that user, or set K1NB_HOME to a folder of your own"
        )
    return folder


def owned(folder: Path) -> bool:
    """Tell whether a folder is there and this user's own; only there may something be written."""
    try:
        return folder.is_dir() and folder.stat().st_uid == os.getuid()
    except OSError:
        return False


def _make(folder: Path) -> None:
    """Create `folder` and what is missing above it, all for the owner alone."""
    for missing in reversed([parent for parent in (folder, *folder.parents) if not parent.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def unwritable(path: Path, error: OSError) -> StorageError:
    """Return the StorageError for a path that cannot be written."""
    return StorageError(
        f"cannot write {path}: {error.strerror or error}",
        hint="free space or set K1NB_HOME to a folder you can write",
    )


@contextmanager
def replacing(path: Path, *, mode: int = 0o600) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place, synced, when the block succeeds.

    A block that raises leaves `path` as it was. Raises StorageError when the disk refuses.
    """
    temporary = None
    try:
        _make(path.parent)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        os.fchmod(handle, mode)
        os.close(handle)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write `text` to `path` whole or not at all."""
    with replacing(path, mode=mode) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write `data` to `path` whole or not at all."""
    with replacing(path, mode=mode) as temporary:
        temporary.write_bytes(data)
