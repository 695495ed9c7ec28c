"""Where a web app goes: a folder or an rsync target, with its releases side by side and one of them current.

Both look alike: `releases/<name>/` are the releases, `current` is a link to the one that is served and `previous` to
the one before it. A release is whole before it becomes current, and the links are replaced at once, so that whoever
asks gets one release or the other.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from k1nb.config import Settings, bare_environment
from k1nb.errors import HostError, PrerequisiteError, SettingError, StorageError, UsageError
from k1nb.paths import unwritable
from k1nb.timings import Timings

ENVIRONMENTS = ("staging", "production")
RELEASES, CURRENT, PREVIOUS = "releases", "current", "previous"
NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,99}")
"""A release's name: it is a folder's."""
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,79}")
"""A release as people name it."""
_LISTED = re.compile(r"([dl-])\S{9,10} +[\d,.]+ (\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) (.+)")
"""A line of `rsync --list-only`."""
_REMOTE = re.compile(r"rsync://[^/\s]+/\S+|(?!rsync://)\w[\w.@-]*:{1,2}\S+")


@dataclass(frozen=True, slots=True)
class Release:
    """One release at a target."""

    name: str
    at: datetime
    """When it was put there."""
    current: bool
    previous: bool


class Target(Protocol):
    """What deployments need of a place; every method raises HostError where the place refuses."""

    place: str

    def link(self, name: str) -> str | None:
        """Return the release that a link points to; None where there is no such link."""

    def names(self) -> dict[str, datetime]:
        """Return the releases with their times, in the order of the times."""

    def put(self, name: str, content: Path) -> None:
        """Have a release there with exactly this content."""

    def point(self, link: str, name: str) -> None:
        """Let a link point to a release, at once."""

    def withdraw(self, link: str) -> None:
        """Remove a link."""

    def remove(self, name: str) -> None:
        """Remove a release."""


def is_release_name(text: str) -> bool:
    """Tell whether people may name a release so: it becomes a part of a folder's name."""
    return VERSION.fullmatch(text) is not None


def releases(target: Target) -> list[Release]:
    """Return a target's releases, the newest first."""
    current, previous = target.link(CURRENT), target.link(PREVIOUS)
    found = [Release(name, at, name == current, name == previous) for name, at in target.names().items()]
    return found[::-1]


def target_of(settings: Settings, environment: str) -> Target:
    """Return where an environment's web app goes; raises UsageError for one that is none, SettingError."""
    if environment not in ENVIRONMENTS:
        raise UsageError(f"there is no environment {environment!r}", hint=f"give {' or '.join(ENVIRONMENTS)}")
    place = settings.webapp_staging if environment == "staging" else settings.webapp_production
    if place is None:
        return FolderTarget(settings.paths.webapps / environment)
    if _REMOTE.fullmatch(place) and not place.startswith("/"):
        return RsyncTarget(place.rstrip("/"), settings.timings)
    folder = Path(place).expanduser()
    if not folder.is_absolute():
        key = f"webapp_{environment}"
        hint = "give a whole path, user@host:/path, host::module/path or rsync://host/module/path"
        raise SettingError(f"setting {key} {place!r} is no folder and no rsync target", hint=hint)
    return FolderTarget(folder)


def url_of(settings: Settings, environment: str) -> str | None:
    """Return where an environment's web app is served, if that is set; it ends with a slash."""
    return settings.webapp_staging_url if environment == "staging" else settings.webapp_production_url


class FolderTarget:
    """A folder of this machine; a web server serves its `current`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = str(folder)

    def link(self, name: str) -> str | None:
        """Return the release that a link points to; None where there is no such link."""
        try:
            return (self.folder / name).readlink().name
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{self.folder / name} is no link: {error}", hint="move it away") from error

    def names(self) -> dict[str, datetime]:
        """Return the releases with their times, in the order of the times."""
        folder = self.folder / RELEASES
        try:
            found = {p.name: p.stat().st_mtime for p in folder.iterdir() if NAME.fullmatch(p.name) and p.is_dir()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError(f"cannot read {folder}: {error.strerror}", hint="see who owns it") from error
        return {name: datetime.fromtimestamp(at, UTC) for name, at in sorted(found.items(), key=lambda item: item[1])}

    def put(self, name: str, content: Path) -> None:
        """Have a release there with exactly this content; one of that name is replaced only if it differs."""
        final = self.folder / RELEASES / name
        with _writing(final):
            if _same(final, content):
                return
            final.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            fresh = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=final.parent))
            try:
                shutil.copytree(content, fresh, dirs_exist_ok=True, copy_function=shutil.copyfile)
                for path in (fresh, *fresh.rglob("*")):
                    path.chmod(0o755 if path.is_dir() else 0o644)
                shutil.rmtree(final, ignore_errors=True)
                fresh.rename(final)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)

    def point(self, link: str, name: str) -> None:
        """Let a link point to a release, at once."""
        with _writing(self.folder / link):
            fresh = self.folder / f".{link}.{os.getpid()}"
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(Path(RELEASES) / name)
            fresh.replace(self.folder / link)

    def withdraw(self, link: str) -> None:
        """Remove a link."""
        with _writing(self.folder / link):
            (self.folder / link).unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove a release."""
        with _writing(self.folder / RELEASES / name):
            shutil.rmtree(self.folder / RELEASES / name)


class RsyncTarget:
    """A place that rsync reaches, by ssh or as a daemon's module; rsync replaces a link at once, too."""

    def __init__(self, place: str, timings: Timings) -> None:
        self.place = place
        self._timings = timings

    def link(self, name: str) -> str | None:
        """Return the release that a link points to; None where there is no such link."""
        for kind, _, entry in self._list(""):
            found, arrow, to = entry.partition(" -> ")
            if kind == "l" and arrow and found == name:
                if to.startswith("/rsyncd-munged/"):
                    raise HostError(f"{self.place} changes links", hint="set `munge symlinks = no` in its rsyncd.conf")
                return Path(to).name
        return None

    def names(self) -> dict[str, datetime]:
        """Return the releases with their times, in the order of the times."""
        found = {entry: at for kind, at, entry in self._list(f"{RELEASES}/") if kind == "d" and NAME.fullmatch(entry)}
        return dict(sorted(found.items(), key=lambda item: item[1]))

    def put(self, name: str, content: Path) -> None:
        """Have a release there with exactly this content."""
        with tempfile.TemporaryDirectory() as folder:
            here = Path(folder)
            (here / RELEASES).mkdir(mode=0o755)
            shutil.copytree(content, here / RELEASES / name, copy_function=shutil.copyfile)
            # rsync makes one missing folder, not two
            self._rsync("-r", "--chmod=D755,F644", "--exclude=*/*", f"{here}/", f"{self.place}/")
            source, goal = f"{here}/{RELEASES}/{name}/", f"{self.place}/{RELEASES}/{name}/"
            self._rsync("-r", "-c", "--delete", "--chmod=D755,F644", source, goal)

    def point(self, link: str, name: str) -> None:
        """Let a link point to a release, at once."""
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / link).symlink_to(Path(RELEASES) / name)
            self._rsync("-l", f"{folder}/{link}", f"{self.place}/")

    def withdraw(self, link: str) -> None:
        """Remove a link."""
        self._delete("", link)

    def remove(self, name: str) -> None:
        """Remove a release."""
        self._delete(f"{RELEASES}/", name)

    def _delete(self, below: str, name: str) -> None:
        with tempfile.TemporaryDirectory() as nothing:
            only = (f"--include=/{name}", f"--include=/{name}/***", "--exclude=*")
            self._rsync("-r", "-l", "--delete", *only, f"{nothing}/", f"{self.place}/{below}")

    def _list(self, below: str) -> Iterator[tuple[str, datetime, str]]:
        try:
            said = self._rsync("--list-only", "-l", "--no-h", f"{self.place}/{below}")
        except HostError as error:
            if "No such file or directory" in error.message:
                return
            raise
        for line in said.splitlines():
            if found := _LISTED.fullmatch(line):
                at = datetime.strptime(found[2], "%Y/%m/%d %H:%M:%S").astimezone()
                yield found[1], at, found[3]

    def _rsync(self, *words: str) -> str:
        argv = ["rsync", f"--timeout={max(1, round(self._timings.rsync))}", *words]
        environment = bare_environment(LC_ALL="C.UTF-8", RSYNC_RSH="ssh -oBatchMode=yes")
        try:
            done = subprocess.run(
                argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        except FileNotFoundError as error:
            raise PrerequisiteError("rsync is not installed", hint="install rsync") from error
        if done.returncode != 0:
            said = " ".join(done.stderr.split())
            hint = f"try by hand: rsync --list-only {self.place}/"
            raise HostError(f"rsync with {self.place} ended with {done.returncode}: {said}", hint=hint)
        return done.stdout


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from error


def _same(one: Path, other: Path) -> bool:
    return one.is_dir() and _content(one) == _content(other)


def _content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
