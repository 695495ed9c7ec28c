"""The head of a chain on its way out and in: exported to another machine, and given to a verification."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from k1nb.config import Settings
from k1nb.errors import RecordError, UnknownName
from k1nb.paths import Paths, write_text
from k1nb.records._archive import cannot_be_read, folders
from k1nb.records._chain import Head, SignedHead, head_files, read_exactly
from k1nb.records._minisign import PublicKey
from k1nb.records._record import signature_of
from k1nb.records._verify import known_keys, own_key


def export_head(settings: Settings, file: Path) -> Head:
    """Write the head of the chain and its signature beside it, for `minisign -V` and `verify`; return it.

    It is read as it lies with the records. Where no secret key tells which chain is being written, as in a copy of the
    records or in somebody else's, it is the newest head that is signed by its key. Raises RecordError where nothing is
    sealed yet or the head is not as it was signed, StorageError.
    """
    kept = _kept(settings.paths)
    write_text(file, kept.head.text, mode=0o644)
    write_text(signature_of(file), kept.signature, mode=0o644)
    return kept.head


def _kept(paths: Paths) -> SignedHead:
    """Return the head of this installation's chain, else the newest; raises RecordError that says what is lacking."""
    keys, own, wrong = known_keys(paths), own_key(paths), []
    good: dict[str, SignedHead] = {}
    for file in head_files(paths):
        try:
            good[file.stem] = _signed(file, keys)
        except RecordError as error:
            if own and file.stem == own.id:
                raise
            wrong.append(error)
    if good:
        newest = max(good.values(), key=lambda signed: signed.head.at)
        return good.get(own.id, newest) if own else newest
    if wrong:
        raise wrong[0]
    if folders(paths.records):
        raise RecordError(
            f"there are records in {paths.records}, but no head: ID.head is missing",
            hint="copy it from where they were sealed, or seal another run here: k1nb run daily_health",
        )
    raise RecordError("nothing is sealed here yet, so there is no head", hint="k1nb run daily_health")


def _signed(file: Path, keys: Mapping[str, PublicKey]) -> SignedHead:
    """Read a head that lies with the records; raises RecordError."""
    if file.stem not in keys:
        missing = f"its public key {file.stem}.pub is not here"
        raise RecordError(f"{file}: {missing}", hint="copy it beside the head")
    try:
        return SignedHead.parse(read_exactly(file), keys[file.stem])
    except OSError as error:
        raise RecordError(f"{file}: {cannot_be_read(error)}", hint="mend its permissions, or copy it anew") from None
    except UnicodeDecodeError:
        raise RecordError(f"{file}: it is no text in UTF-8", hint="restore it from a backup") from None
    except RecordError as error:
        raise RecordError(f"{file}: {error.message}", hint=error.hint) from None


def read_head(file: Path, keys: Mapping[str, PublicKey]) -> SignedHead:
    """Read an exported head and the signature beside it; raises UnknownName where one is not there, RecordError."""
    hint = "give what k1nb records export --head wrote, with its signature beside it"
    try:
        statement, signature = read_exactly(file), read_exactly(signature_of(file))
    except FileNotFoundError as error:
        raise UnknownName(f"there is no file {error.filename}", hint=hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{file} or its signature cannot be read: {error}", hint=hint) from None
    chain = Head.parse(statement).chain
    if chain not in keys:
        raise RecordError(f"{file} is signed by the key {chain}, which is not here", hint="give that key with --key")
    try:
        return SignedHead.parse(statement + signature, keys[chain])
    except RecordError as error:
        raise RecordError(f"{file}: {error.message}", hint=error.hint) from None
