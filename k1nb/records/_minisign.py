"""Signatures in minisign's format: bytes in, text out, so that the stock program verifies them and can make them.

Source of the format: minisign's manual, https://jedisct1.github.io/minisign/. Files are hashed with BLAKE2b-512 first.
"""

from __future__ import annotations

import binascii
import hashlib
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from k1nb.errors import RecordError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_KEY_ID = 8
_UNTRUSTED = "untrusted comment: "
_TRUSTED = "trusted comment: "
_SIGNED_BY = "signature by k1nb"
_PUBLIC, _HASHED, _BARE, _SUM = b"Ed", b"ED", b"\0\0", b"B2"
_NO_PASSWORD = bytes(32 + 8 + 8)
"""Salt and limits of the password's function, where there is no password."""
_NO_CHECKSUM = bytes(32)
"""What minisign 0.11 itself writes for a key without a password."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What verifies signatures."""

    number: bytes
    """The key's own name, eight bytes."""
    point: bytes
    """The Ed25519 public key, 32 bytes."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a public key's file; raises RecordError."""
        data = _decoded(_line(text, 1))
        if data[:2] != _PUBLIC or len(data) != 2 + _KEY_ID + 32:
            raise RecordError("it is no public key of minisign", hint="give the file that ends in .pub")
        return cls(data[2:10], data[10:])

    @property
    def id(self) -> str:
        """The key's own name as minisign shows it."""
        return self.number[::-1].hex().upper()

    @property
    def text(self) -> str:
        """The text of the key's file."""
        data = _encoded(_PUBLIC + self.number + self.point)
        return f"{_UNTRUSTED}minisign public key {self.id}\n{data}\n"

    def verify(self, data: bytes, signature: str) -> str:
        """Return the trusted comment of a signature of these bytes by k1nb.

        Raises RecordError where any byte of the signature's text is another than the key's holder wrote.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        head, comment, tail = _parts(signature)
        if head[:2] != _HASHED or head[2:10] != self.number:
            raise RecordError(f"it is not signed by the key {self.id}", hint="give that key with --key")
        try:
            key = Ed25519PublicKey.from_public_bytes(self.point)
            key.verify(head[10:], _hash(data))
            key.verify(tail, head[10:] + comment.encode())
        except (InvalidSignature, ValueError):
            raise RecordError("it was changed after it was signed", hint="restore it from a backup") from None
        if signature != _signature(head, comment, tail):
            raise RecordError("its signature's text was changed", hint="what it signs is as it was")
        return comment


@dataclass(frozen=True, slots=True, repr=False)
class SecretKey:
    """What signs."""

    number: bytes
    seed: bytes

    def __repr__(self) -> str:
        """Name the key without what it is."""
        return f"SecretKey({self.public.id})"

    @classmethod
    def new(cls) -> Self:
        """Return a key that nobody had before."""
        return cls(secrets.token_bytes(_KEY_ID), secrets.token_bytes(32))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a secret key's file that has no password; raises RecordError."""
        data = _decoded(_line(text, 1))
        number, seed, point = data[54:62], data[62:94], data[94:126]
        if len(data) != 158 or data[:6] != _PUBLIC + _BARE + _SUM:
            raise RecordError("it is no secret key of minisign without a password", hint="minisign -G -W makes one")
        key = cls(number, seed)
        if data[126:] not in (_checksum(number, seed + point), _NO_CHECKSUM) or key.public.point != point:
            raise RecordError("the secret key is damaged", hint="restore it from a backup")
        return key

    @property
    def _key(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @property
    def public(self) -> PublicKey:
        """The key that verifies what this one signs."""
        return PublicKey(self.number, self._key.public_key().public_bytes_raw())

    @property
    def text(self) -> str:
        """The text of the key's file."""
        pair = self.seed + self.public.point
        data = _PUBLIC + _BARE + _SUM + _NO_PASSWORD + self.number + pair + _checksum(self.number, pair)
        return f"{_UNTRUSTED}minisign secret key\n{_encoded(data)}\n"

    def sign(self, data: bytes, comment: str) -> str:
        """Return the text of a signature of these bytes; `comment` is signed as well and has one line."""
        signature = self._key.sign(_hash(data))
        return _signature(_HASHED + self.number + signature, comment, self._key.sign(signature + comment.encode()))


def _signature(head: bytes, comment: str, tail: bytes) -> str:
    return f"{_UNTRUSTED}{_SIGNED_BY}\n{_encoded(head)}\n{_TRUSTED}{comment}\n{_encoded(tail)}\n"


def _parts(signature: str) -> tuple[bytes, str, bytes]:
    comment = _line(signature, 2)
    head, tail = _decoded(_line(signature, 1)), _decoded(_line(signature, 3))
    if not comment.startswith(_TRUSTED) or len(head) != 2 + _KEY_ID + 64 or len(tail) != 64:
        raise RecordError("it is no signature of minisign", hint="its four lines are wanted as they were written")
    return head, comment.removeprefix(_TRUSTED), tail


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number] if number < len(lines) else ""


def _encoded(data: bytes) -> str:
    return b64encode(data).decode()


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RecordError("it is no text of minisign", hint="give the file as it was written") from None


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data).digest()


def _checksum(number: bytes, pair: bytes) -> bytes:
    return hashlib.blake2b(_PUBLIC + number + pair, digest_size=32).digest()
