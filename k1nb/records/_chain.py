"""The chain of seals: every manifest that is sealed here is signed and names the one that was sealed before it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Literal, Self

from filelock import FileLock, Timeout
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from k1nb.errors import RecordError, StorageError
from k1nb.paths import Paths, private, unwritable, write_text
from k1nb.records._minisign import PublicKey, SecretKey
from k1nb.records._record import (
    MANIFEST,
    SIGNATURE,
    Manifest,
    Seal,
    earlier_manifest,
    earlier_manifests,
    manifest_text,
    signature_of,
    sum_of,
)
from k1nb.records._tidy import remove
from k1nb.timings import Timings

KEY = "records.key"
AGAIN = ".again-"
"""Begins the name of the staged folder of a record that is being sealed once more."""
_OLD = ".old-"
_PUBLIC, _HEAD = ".pub", ".head"
FIRST = "it is the first record that is sealed here"


class Head(BaseModel):
    """The end of a chain: how many seals there are, and which is the last one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    chain: str
    number: int
    """How many manifests have been sealed; the number of the last one."""
    manifest: str
    """SHA-256 of the manifest that was sealed last."""
    run: str
    at: AwareDatetime

    @property
    def text(self) -> str:
        """The statement that is signed, one line."""
        return self.model_dump_json() + "\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a statement; raises RecordError."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise RecordError(
                f"it is no head of a chain: {error.errors()[0]['msg']}",
                hint="give what k1nb records export --head wrote",
            ) from None


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A head as it is kept, statement and signature in one file, so that both are replaced at once."""

    head: Head
    signature: str

    @property
    def text(self) -> str:
        """The file's text."""
        return self.head.text + self.signature

    @classmethod
    def parse(cls, text: str, key: PublicKey) -> Self:
        """Read the file's text; raises RecordError unless the key has signed it."""
        statement, _, signature = text.partition("\n")
        key.verify(f"{statement}\n".encode(), signature)
        return cls(Head.parse(statement), signature)


class Chain:
    """Seals manifests, one after the other, in whichever process of this installation."""

    def __init__(self, paths: Paths, timings: Timings) -> None:
        self._paths = paths
        self._patience = timings.seal_lock
        self._lock = FileLock(paths.records / ".lock", thread_local=False)

    def seal(self, folder: Path, manifest: Manifest, *, again: bool = False) -> Path:
        """Seal a folder of staging with this manifest, move it into the archive whole, and return where it is.

        With `again` it takes the place of the record that is archived under this id. Raises RecordError and
        StorageError; then the folder is still staged.
        """
        target = self._paths.records / manifest.run
        with self.turn():
            if not again and target.exists():
                raise RecordError(f"there is a record {manifest.run} already", hint=f"it was left in {folder}")
            key, lost = self._key()
            self.finish(but=folder)
            for hidden in folder.glob(".*"):  # halves of files, and what only a staged run has
                remove(hidden)
            sealed = manifest.changed(seal=self._next(key.public, manifest, lost))
            text = manifest_text(sealed)
            write_text(folder / MANIFEST, text)
            sign(key, folder / MANIFEST, text, _comment(sealed))
            self._write_head(key, sealed, text)
            self._move(folder, target)
        return target

    def head(self) -> SignedHead | None:
        """Return the head of the chain that is being written; None before the first seal. Raises RecordError."""
        try:
            key = SecretKey.parse((self._paths.keys / KEY).read_text(encoding="utf-8")).public
            return SignedHead.parse(read_exactly(self._head_file(key)), key)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StorageError(f"cannot read the chain's head: {error}", hint="mend its permissions") from error

    def holds(self, folder: Path) -> bool:
        """Tell whether a staged folder is sealed as the last of a chain, and only waits to be moved."""
        return folder in dict(self._sealed())

    def finish(self, *, but: Path | None = None) -> None:
        """Move in what was sealed and not yet moved when its process ended, and clear up what others left half-done."""
        if self._sealed() or self._litter():
            with self.turn():
                for folder, target in self._sealed():
                    self._move(folder, target)
                for left in self._litter():  # whoever makes such a thing has the turn
                    if left != but:
                        remove(left)

    def _litter(self) -> list[Path]:
        staged = (self._paths.staging.glob(f"{begin}*") for begin in (AGAIN, _OLD))
        return [*chain.from_iterable(staged), *self._paths.records.glob(".*.tmp")]

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep every other process from sealing; raises RecordError after the patience, StorageError."""
        private(self._paths.records)
        try:
            self._lock.acquire(timeout=self._patience)
        except Timeout:
            raise RecordError(
                f"another run has been sealing for more than {self._patience:g} s",
                hint=f"the run stays in {self._paths.staging} and is moved in by the next one",
            ) from None
        except OSError as error:
            raise unwritable(self._paths.records, error) from error
        try:
            yield
        finally:
            self._lock.release()

    def _key(self) -> tuple[SecretKey, str]:
        """Return the key that signs, a new one where there is none, and then why it is new."""
        file = private(self._paths.keys) / KEY
        try:
            key, lost = SecretKey.parse(file.read_text(encoding="utf-8")), ""
        except (FileNotFoundError, RecordError, UnicodeDecodeError) as error:
            key, lost = SecretKey.new(), self._lost(error)
            if file.exists():
                file.rename(file.with_name(f"{KEY}.damaged-{datetime.now(UTC):%Y%m%d-%H%M%S}"))
            write_text(file, key.text)
        except OSError as error:
            raise StorageError(f"cannot read {file}: {error.strerror}", hint="mend its permissions") from error
        public = self._paths.records / f"{key.public.id}{_PUBLIC}"
        if not public.exists():
            write_text(public, key.public.text)
        return key, lost

    def _lost(self, error: Exception) -> str:
        known = sorted(public_keys(self._paths))
        if not known:
            return FIRST
        what = "is not here any more" if isinstance(error, FileNotFoundError) else "is damaged"
        return f"the key of the chain before it ({', '.join(known)}) {what}"

    def _head_file(self, key: PublicKey) -> Path:
        return self._paths.records / f"{key.id}{_HEAD}"

    def _next(self, key: PublicKey, manifest: Manifest, begins: str) -> Seal:
        """Return the seal that comes next; where the head is lost, after the last manifest that is found."""
        number, previous = 0, None
        if not begins:
            try:
                head = SignedHead.parse(read_exactly(self._head_file(key)), key).head
                number, previous = head.number, head.manifest
            except (OSError, UnicodeDecodeError, RecordError) as error:
                number, previous = self._last(key)
                what = "was not there" if isinstance(error, FileNotFoundError) else "was damaged"
                begins = f"the head of the chain {what}; the last seal that was found is {number}"
        return Seal(
            after=self._ends(key) if number == 0 else {},
            chain=key.id,
            number=number + 1,
            previous=previous,
            at=datetime.now(UTC),
            begins=begins,
            earlier=manifest.seal.number if manifest.seal else None,
        )

    def _ends(self, key: PublicKey) -> dict[str, str]:
        """Return the other chains that are here, each with the sum of its last manifest; empty where that is lost."""
        texts, ends = head_texts(self._paths), {}
        for chain_id, public in public_keys(self._paths).items():
            if chain_id != key.id:
                ends[chain_id] = ""
                with suppress(KeyError, RecordError):
                    ends[chain_id] = SignedHead.parse(texts[chain_id], public).head.manifest
        return ends

    def _last(self, key: PublicKey) -> tuple[int, str | None]:
        """Return number and sum of the newest manifest of a chain, found by looking at all."""
        last: tuple[int, str | None] = (0, None)
        for file in manifests(self._paths.records):
            with suppress(OSError, RecordError, ValidationError):
                data = file.read_bytes()
                key.verify(data, read_exactly(signature_of(file)))
                seal = Manifest.model_validate_json(data).seal
                if seal and seal.chain == key.id:
                    last = max(last, (seal.number, hashlib.sha256(data).hexdigest()))
        return last

    def _write_head(self, key: SecretKey, manifest: Manifest, text: str) -> None:
        if manifest.seal is None:
            raise ValueError("a manifest that is not sealed ends no chain")
        head = Head(
            chain=manifest.seal.chain,
            number=manifest.seal.number,
            manifest=hashlib.sha256(text.encode()).hexdigest(),
            run=manifest.run,
            at=manifest.seal.at,
        )
        signature = key.sign(
            head.text.encode(), f"head of a chain of k1nb, {head.number} seals, the last of run {head.run}"
        )
        write_text(self._head_file(key.public), SignedHead(head, signature).text)

    def _sealed(self) -> list[tuple[Path, Path]]:
        """Return what a head names and staging still holds, each with its place: a process ended between these two."""
        found = []
        keys = public_keys(self._paths)
        for name, text in head_texts(self._paths).items():
            with suppress(KeyError, RecordError):
                head = SignedHead.parse(text, keys[name]).head
                places = (self._paths.staging / head.run, self._paths.staging / f"{AGAIN}{head.run}")
                target = self._paths.records / head.run
                found += [(folder, target) for folder in places if _sum(folder / MANIFEST) == head.manifest]
        return found

    def _move(self, folder: Path, target: Path) -> None:
        """Rename a sealed folder to its place; what is there already is one that it takes the place of."""
        old = self._paths.staging / f"{_OLD}{target.name}"
        try:
            if target.exists():
                shutil.rmtree(old, ignore_errors=True)
                target.rename(old)
            folder.rename(target)
            _sync(target.parent)
        except OSError as error:
            raise unwritable(target, error) from error
        shutil.rmtree(old, ignore_errors=True)


def sign(key: SecretKey, file: Path, text: str, comment: str) -> None:
    """Write the signature of a file's text beside it."""
    write_text(signature_of(file), key.sign(text.encode(), comment))


def public_keys(paths: Paths) -> dict[str, PublicKey]:
    """Return the public keys that lie with the records, by their ids; damaged ones are left out."""
    found = {}
    for file in key_files(paths):
        with suppress(OSError, UnicodeDecodeError, RecordError):
            key = PublicKey.parse(file.read_text(encoding="utf-8"))
            found[key.id] = key
    return found


def head_texts(paths: Paths) -> dict[str, str]:
    """Return the text of every chain's head, by the chain's id; one that cannot be read is left out."""
    texts = {}
    for file in head_files(paths):
        with suppress(OSError):
            texts[file.stem] = file.read_bytes().decode("utf-8", "replace")
    return texts


def head_files(paths: Paths) -> list[Path]:
    """Return where the chains' heads lie, each named after its chain."""
    return sorted(paths.records.glob(f"*{_HEAD}"))


def key_files(paths: Paths) -> list[Path]:
    """Return where the public keys lie with the records."""
    return sorted(paths.records.glob(f"*{_PUBLIC}"))


def read_exactly(file: Path) -> str:
    """Return a file's text with its line ends as they are, which count where a text is signed."""
    return file.read_bytes().decode("utf-8")


def manifests(records: Path) -> Iterator[Path]:
    """Yield every sealed manifest's file, those included whose place others have taken."""
    for folder in sorted(records.iterdir()):
        if folder.is_dir() and not folder.name.startswith("."):
            yield folder / MANIFEST
            yield from earlier_manifests(folder).values()


def copy_for_sealing(paths: Paths, record: Path, seal: Seal | None) -> Path:
    """Stage a record's folder once more, its files linked and its manifest kept under its number; return where."""
    folder = paths.staging / f"{AGAIN}{record.name}"
    shutil.rmtree(folder, ignore_errors=True)
    private(folder)
    kept = earlier_manifest(seal.number) if seal else ""
    names = {MANIFEST: kept, SIGNATURE: f"{kept}.minisig"}
    try:
        for file in record.iterdir():
            if name := names.get(file.name, file.name) if seal or file.name != MANIFEST else "":
                _link(file, folder / name)
    except OSError as error:
        raise unwritable(folder, error) from error
    return folder


def _link(file: Path, new: Path) -> None:
    try:
        new.hardlink_to(file)
    except OSError:  # a file system without hard links
        shutil.copy2(file, new)


def _sum(file: Path) -> str | None:
    try:
        return sum_of(file)
    except OSError:
        return None


def _comment(manifest: Manifest) -> str:
    number = manifest.seal.number if manifest.seal else 0
    return f"record {number} of k1nb, {manifest.verdict} of run {manifest.run}"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
