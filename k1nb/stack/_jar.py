"""The Conductor server's jar: one pinned Maven artifact, fetched once and verified."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from k1nb.config import Settings
from k1nb.errors import DownloadError
from k1nb.paths import unwritable, write_text
from k1nb.timings import Timings

Notify = Callable[[str], None]
"""Takes one line of progress."""


@dataclass(frozen=True, slots=True)
class MavenFile:
    """A file of Maven Central, by its coordinates and its sum."""

    group: str
    name: str
    version: str
    sha256: str
    classifier: str = ""

    @property
    def label(self) -> str:
        """The file as people call it, e.g. `junit 4.13.2`."""
        return f"{self.name} {self.version}"

    def path_in(self, repository: Path) -> Path:
        """Return where a Maven repository on disk keeps the file, whether or not it is there."""
        file = "-".join(filter(None, (self.name, self.version, self.classifier)))
        return repository.joinpath(*self.group.split("."), self.name, self.version, f"{file}.jar")


SERVER = MavenFile(
    group="org.conductoross",
    name="conductor-server",
    version="3.32.1",
    classifier="boot",
    sha256="f3699a34bb72c35c10469a063392e5de4900bc4568c8a4357a711186d6269d3f",
)
"""The server this workbook was tested with: 458 MB, everything in one jar."""


def ignore(_: str) -> None:
    """Take a line of progress and do nothing with it."""


def server_jar(settings: Settings, on_progress: Notify | None = None) -> Path:
    """Return the server's jar, fetched if the cache lacks it, its sum verified; raises DownloadError."""
    return fetch(SERVER, settings.cache / "maven", settings.timings, on_progress or ignore)


def fetch(wanted: MavenFile, cache: Path, timings: Timings, notify: Notify) -> Path:
    """Return the path of `wanted` in the Maven repository `cache`, its sum verified.

    A file with a wrong sum is removed and fetched again, once. Raises DownloadError when that does not help or
    the download fails.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(cache, error) from error
    with FileLock(cache / ".lock"):
        for _ in range(2):
            path = _resolve(wanted, cache, timings, notify)
            if verified(path, wanted.sha256):
                return path
            notify(f"{wanted.label} is damaged: removing it")
            path.unlink()
    raise DownloadError(
        f"{wanted.label} was fetched with a wrong sum, twice",
        hint="look for a proxy or mirror that changes what it passes on, then try again",
    )


def verified(path: Path, sha256: str) -> bool:
    """Tell whether the file has this sum; remembers the answer beside it while its size and time stay."""
    if verified_before(path, sha256):
        return True
    marker = _marker(path)
    if sum_matches := sum_of(path) == sha256:
        write_text(marker, _known(path, sha256), mode=0o644)
    else:
        marker.unlink(missing_ok=True)
    return sum_matches


def verified_before(path: Path, sha256: str) -> bool:
    """Tell whether the file's sum was found right before, and its size and time are the same since."""
    marker = _marker(path)
    return marker.is_file() and marker.read_text(encoding="utf-8") == _known(path, sha256)


def sum_of(path: Path) -> str:
    """Return a file's sha256; takes about a second for the server's jar."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _marker(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _known(path: Path, sha256: str) -> str:
    facts = path.stat()
    return json.dumps({"sha256": sha256, "size": facts.st_size, "mtime_ns": facts.st_mtime_ns})


def _resolve(wanted: MavenFile, cache: Path, timings: Timings, notify: Notify) -> Path:
    from jgo.maven import MavenContext, PythonResolver

    resolver = PythonResolver(progress_callback=_reporter(wanted, notify))
    context = MavenContext(resolver=resolver, repo_cache=cache, timeout=max(1, round(timings.download)))
    component = context.project(wanted.group, wanted.name).at_version(wanted.version)
    artifact = component.artifact(classifier=wanted.classifier, packaging="jar")
    try:
        return Path(artifact.resolve())
    except (OSError, RuntimeError) as error:  # what requests and jgo raise
        if artifact.cached_path:
            Path(artifact.cached_path).unlink(missing_ok=True)
        raise DownloadError(
            f"cannot fetch {wanted.label}: {error}", hint="look at the network and the free disk space, then try again"
        ) from error


def _reporter(wanted: MavenFile, notify: Notify) -> Callable[[str, int], object]:
    """Return jgo's progress callback: it tells every tenth of the file."""

    @contextmanager
    def report(_: str, total: int) -> Iterator[Callable[[int], None]]:
        done = told = 0

        def update(size: int) -> None:
            nonlocal done, told
            done += size
            if done * 10 // total > told:
                told = done * 10 // total
                notify(f"fetching {wanted.label}: {told * 10} % of {total / 1e6:.1f} MB")

        yield update

    return report
