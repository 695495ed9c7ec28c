"""Are the records what was sealed: every file, every manifest, and none of them missing?

What this cannot tell: whoever holds the secret key can sign anew, and the newest records can vanish together with the
head of the chain, unless a head was exported before.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from k1nb.errors import K1Error, RecordError, UnknownName
from k1nb.paths import Paths
from k1nb.records._archive import cannot_be_read, folders, holds_record, staged_records, unreadable
from k1nb.records._chain import KEY, Head, SignedHead, head_files, key_files, public_keys, read_exactly
from k1nb.records._minisign import PublicKey, SecretKey
from k1nb.records._record import (
    MANIFEST,
    Manifest,
    Record,
    earlier_manifest,
    earlier_manifests,
    manifest_text,
    signature_of,
    sum_of,
    wrong_field,
)
from k1nb.records._verification import ChainState, Problem, Unsealed, Verification

_OWN = re.compile(r"[0-9A-F]{16}\.(pub|head)|\.(resume\.)?lock|\.staging|\.index\.sqlite(-wal|-shm|-journal)?")
"""What lies beside the records."""
_EARLIER = re.compile(r"manifest\.[0-9]+\.json")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Link:
    """One sealed manifest, as the chain sees it."""

    manifest: Manifest
    sum: str
    file: str

    @property
    def number(self) -> int:
        """Its place in the order of sealing."""
        return self.manifest.seal.number if self.manifest.seal else 0


def verify(
    paths: Paths,
    *,
    head: SignedHead | None = None,
    keys: Iterable[PublicKey] = (),
    on_progress: Progress | None = None,
) -> Verification:
    """Verify every record and that none is missing; `head` is one that was exported.

    Only `keys` are trusted where some are given, otherwise this installation's own and those of the chains that its
    own chain names as the ones before it; without a key of its own those that lie with the records.
    """
    own = own_key(paths)
    given = {key.id: key for key in keys}
    trusted = given or known_keys(paths)
    found = Verification(unsealed=_unsealed(paths))
    links: list[Link] = []
    every = folders(paths.records)
    for number, folder in enumerate(every, 1):
        links += _folder(folder, trusted, found)
        if on_progress is not None:
            on_progress(number, len(every))
    heads = _heads(paths, trusted)
    for chain in sorted({_chain(link) for link in links} | set(heads)):
        of_chain = [link for link in links if _chain(link) == chain]
        found.chains.append(_state(chain, of_chain))
        found.problems += _order(of_chain)
        found.problems += _end(of_chain, heads.get(chain, f"the head of the chain {chain} is missing"), chain)
    found.problems += _missing_chains({chain.id for chain in found.chains}, given or ({own.id: own} if own else {}))
    if own and not given:
        found.problems += _strangers(links, own.id)
    found.problems += [*_strays(paths.records), *_closed(paths, {problem.run for problem in found.problems})]
    if head is not None:
        found.problems += _exported(links, head.head)
    return found


def _missing_chains(there: set[str], wanted: Iterable[str]) -> Iterator[Problem]:
    """Yield the keys of which nothing is there that they have signed."""
    for key in wanted:
        if key not in there:
            yield Problem("", f"{key}.head", f"nothing is here that the key {key} has signed")


def _strangers(links: Sequence[Link], own: str) -> Iterator[Problem]:
    """Yield the chains that this installation's own does not name, or names with another end."""
    known, names = {own: ""}, [own]
    while names:
        chain = names.pop()
        first = next((link for link in links if _chain(link) == chain and link.number == 1), None)
        after = first.manifest.seal.after if first and first.manifest.seal else {}
        names += [name for name in after if name not in known]
        known |= {name: end for name, end in after.items() if name not in known}
    for chain in sorted({_chain(link) for link in links}):
        of_chain = {link.sum for link in links if _chain(link) == chain}
        if chain not in known:
            yield Problem("", f"{chain}.pub", f"the chain {chain} is none that this installation has written")
        elif known[chain] and known[chain] not in of_chain:
            yield Problem("", f"{chain}.pub", f"the chain {chain} does not end as it did when its key was lost")


def _strays(records: Path) -> Iterator[Problem]:
    """Yield what lies among the records and is none of them."""
    with suppress(OSError), os.scandir(records) as entries:  # `_closed` says why
        for entry in sorted(entries, key=lambda entry: entry.name):
            folder = entry.is_dir(follow_symlinks=False)
            if not (_OWN.fullmatch(entry.name) or (folder and "." not in entry.name)):
                yield Problem("", entry.name, "it is neither a record nor a file of the archive")


def _closed(paths: Paths, told: set[str]) -> Iterator[Problem]:
    """Yield what else cannot be read; of heads it is told with their chains."""
    yield from (problem for problem in unreadable(paths) if not problem.run or problem.run not in told)
    for file in key_files(paths):
        try:
            file.read_bytes()
        except OSError as error:
            yield Problem("", file.name, cannot_be_read(error))


def verify_record(paths: Paths, run: str, *, keys: Iterable[PublicKey] = ()) -> Verification:
    """Verify one record by itself; nothing is said of those before and after it.

    Of a run that is not sealed yet nothing can be proven: that does not pass, and is no problem either.
    """
    if not holds_record(paths.records / run) and (unsealed := _unsealed(paths, run)):
        return Verification(unsealed=unsealed, one=True)
    found = Verification(one=True)
    _folder(paths.records / run, {key.id: key for key in keys} or known_keys(paths), found)
    return found


def _unsealed(paths: Paths, run: str | None = None) -> list[Unsealed]:
    return [Unsealed(record.folder.name, record.running) for record in staged_records(paths, run)]


def is_as_sealed(record: Record, keys: Mapping[str, PublicKey]) -> bool | None:
    """Tell whether a record's manifest is what was signed for it; None where it is not sealed yet.

    Its other files are not looked at: `verify_record` does that.
    """
    if record.staged:
        return None
    try:
        manifest = _link(record.folder / MANIFEST, keys).manifest
    except RecordError:
        return False
    same = manifest_text(manifest) == manifest_text(record.manifest)  # an old one may hold NaN, which equals nothing
    return same and manifest.run == record.folder.name and manifest.honest


def known_keys(paths: Paths) -> dict[str, PublicKey]:
    """Return this installation's public key and those that lie with the records, by their ids."""
    own = own_key(paths)
    return public_keys(paths) | ({own.id: own} if own else {})


def own_key(paths: Paths) -> PublicKey | None:
    """Return the public key of the secret one that this installation signs with; None where it has none."""
    try:
        return SecretKey.parse(read_exactly(paths.keys / KEY)).public
    except (OSError, UnicodeDecodeError, RecordError):
        return None


def read_key(file: Path) -> PublicKey:
    """Read a public key's file; raises UnknownName where there is none, RecordError where it is no key."""
    hint = "give a public key's file, .pub"
    try:
        return PublicKey.parse(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnknownName(f"there is no file {file}", hint=hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{file} cannot be read: {error}", hint=hint) from None
    except RecordError as error:
        raise RecordError(f"{file}: {error.message}", hint=error.hint) from None


def _folder(folder: Path, keys: Mapping[str, PublicKey], found: Verification) -> list[Link]:
    """Look at one record; note what is wrong, and return its sealed manifests, the newest first."""
    found.records += 1
    links: list[Link] = []
    for file in _manifest_files(folder):
        try:
            links.append(_link(file, keys))
        except K1Error as error:
            found.problems.append(Problem(folder.name, file.name, error.message))
    if links and links[0].file == MANIFEST:
        found.files += len(links[0].manifest.files)
        try:
            found.problems += _contents(folder, links)
        except OSError as error:
            found.problems.append(Problem(folder.name, "", cannot_be_read(error)))
    return links


def _manifest_files(folder: Path) -> list[Path]:
    earlier: dict[int, Path] = {}
    with suppress(OSError):  # its manifest cannot be read then, or its files cannot be listed, which is told
        earlier = earlier_manifests(folder)
    return [folder / MANIFEST, *(earlier[number] for number in sorted(earlier, reverse=True))]


def _link(file: Path, keys: Mapping[str, PublicKey]) -> Link:
    """Read a sealed manifest; raises RecordError with what is wrong with it."""
    try:
        data, signature = file.read_bytes(), signature_of(file)
        manifest = Manifest.model_validate_json(data)
        if manifest.seal is None:
            raise _wrong("it has no seal: nothing is proven of this record")
        if manifest.seal.chain not in keys:
            raise _wrong(f"the public key of its chain {manifest.seal.chain} is not here")
        keys[manifest.seal.chain].verify(data, read_exactly(signature))
    except ValidationError as error:
        raise _wrong(f"it is no manifest: {wrong_field(error)}") from None
    except UnicodeDecodeError:
        raise _wrong("its signature is no text") from None
    except OSError as error:
        raise _wrong(f"{Path(error.filename or file).name} cannot be read: {error.strerror}") from None
    return Link(manifest, hashlib.sha256(data).hexdigest(), file.name)


def _wrong(what: str) -> RecordError:
    return RecordError(what, hint="restore the record from a backup")


def _contents(folder: Path, links: Sequence[Link]) -> Iterator[Problem]:
    """Yield what is wrong with the files of a record whose manifest is as it was signed; raises OSError."""
    manifest = links[0].manifest
    run = folder.name
    if manifest.run != run:
        yield Problem(run, MANIFEST, f"it is the manifest of run {manifest.run}")
    if not manifest.honest:
        yield Problem(run, MANIFEST, f"its verdict {manifest.verdict} does not follow from its checks")
    own = {name for link in links for name in (link.file, f"{link.file}.minisig")}
    with os.scandir(folder) as entries:
        there = {entry.name: entry.is_file(follow_symlinks=False) for entry in entries}
    for name, wanted in manifest.files.items():
        if name not in there:
            yield Problem(run, name, "it is missing")
        elif (what := _differs(folder / name, wanted)) is not None:
            yield Problem(run, name, what)
    for name, plain in sorted(there.items()):
        if name not in manifest.files and name not in own and not _damaged(name):
            yield Problem(run, name, "it is no file of the record")
        elif not plain:
            yield Problem(run, name, "it is no plain file")
    if folder.is_symlink():
        yield Problem(run, "", "it is no folder but leads elsewhere")
    yield from _earlier(run, links)


def _damaged(name: str) -> bool:
    """Tell whether a file is a manifest or its signature: of those that are not as signed it was told already."""
    return name.removesuffix(".minisig") == MANIFEST or _EARLIER.fullmatch(name) is not None


def _differs(file: Path, wanted: str) -> str | None:
    try:
        return None if sum_of(file) == wanted else "it was changed after it was sealed"
    except OSError as error:
        return cannot_be_read(error)


def _earlier(run: str, links: Sequence[Link]) -> Iterator[Problem]:
    """Yield what is wrong between a record's manifest and those whose place it took."""
    wanted = links[0].manifest.seal
    for link in links[1:]:
        if link.manifest.run != run or link.file != earlier_manifest(link.number):
            yield Problem(run, link.file, f"it is seal {link.number} of run {link.manifest.run}")
        if wanted is None or wanted.earlier != link.number or link.file == MANIFEST:
            yield Problem(run, link.file, "no later seal of the record names it")
        wanted = link.manifest.seal
    if wanted and wanted.earlier is not None:
        yield Problem(run, f"manifest.{wanted.earlier}.json", "it is missing")


def _heads(paths: Paths, keys: Mapping[str, PublicKey]) -> dict[str, Head | str]:
    """Return the head of each chain, or what is wrong with it."""
    heads: dict[str, Head | str] = {}
    for file in head_files(paths):
        chain = file.stem
        if chain not in keys:
            heads[chain] = f"the public key of the chain {chain} is not here"
            continue
        try:
            text = file.read_bytes().decode("utf-8", "replace")
            heads[chain] = SignedHead.parse(text, keys[chain]).head
        except OSError as error:
            heads[chain] = cannot_be_read(error)
        except RecordError as error:
            heads[chain] = error.message
    return heads


def _chain(link: Link) -> str:
    return link.manifest.seal.chain if link.manifest.seal else ""


def _state(chain: str, links: Sequence[Link]) -> ChainState:
    begins = {link.number: link.manifest.seal.begins for link in links if link.manifest.seal}
    last = max((link.number for link in links), default=0)
    return ChainState(chain, len(links), last, {number: why for number, why in begins.items() if why})


def _order(links: Iterable[Link]) -> Iterator[Problem]:
    """Yield what is missing from a chain or out of its order."""
    number, before = 0, None
    for link in sorted(links, key=lambda link: link.number):
        seal, run = link.manifest.seal, link.manifest.run
        if seal is None:
            continue
        if link.number == number:
            yield Problem(run, link.file, f"there is another seal of number {number}")
            continue
        if link.number > number + 1:
            yield Problem(
                "",
                "",
                f"{_range(number + 1, link.number - 1)} missing: removed, or in a manifest that is not as it was",
            )
        elif seal.previous != before:
            yield Problem(run, link.file, f"seal {link.number} does not follow on the seal {number} that is here")
        number, before = link.number, link.sum


def _range(first: int, last: int) -> str:
    return f"seal {first} is" if first == last else f"the seals {first} to {last} are"


def _end(links: Sequence[Link], head: Head | str, chain: str) -> Iterator[Problem]:
    """Yield what a chain's own head says against what is there, or what is wrong with the head."""
    last = max(links, key=lambda link: link.number, default=None)
    if isinstance(head, str):
        yield Problem("", f"{chain}.head", head)
    elif last is None or last.number < head.number:
        first = last.number + 1 if last else 1
        yield Problem("", "", f"{_range(first, head.number)} missing: the newest records were removed")
    elif last.number > head.number or last.sum != head.manifest:
        what = f"the head says {head.number} seals, the last of run {head.run}; it is of another state"
        yield Problem(last.manifest.run, f"{chain}.head", what)


def _exported(links: Iterable[Link], head: Head) -> Iterator[Problem]:
    """Yield what an exported head says against what is there."""
    there = {link.sum for link in links if _chain(link) == head.chain}
    if head.manifest not in there:
        what = f"seal {head.number} of the chain {head.chain}, of {head.at:%Y-%m-%d %H:%M:%S} UTC, is not here"
        yield Problem(head.run, MANIFEST, f"{what}: the exported head names it")
