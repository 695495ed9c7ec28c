"""The password of a device's OTA service: how a challenge is made and answered, without sockets.

The two forms are those of the Arduino core: MD5 up to 3.3.0 (so in all of 2.x, which the K1 uses), and from 3.3.1 on
PBKDF2-HMAC-SHA256. The length of the device's nonce tells which one it wants.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum

from pydantic import SecretStr

ITERATIONS = 10_000
"""Of PBKDF2, as the core has it; on the device they take their time."""


class PasswordForm(StrEnum):
    """How a device wants the password proven."""

    MD5 = "md5"
    PBKDF2 = "pbkdf2"

    @property
    def length(self) -> int:
        """Hex digits of each nonce and of the answer."""
        return 32 if self is PasswordForm.MD5 else 64


def form_of(nonce: str) -> PasswordForm | None:
    """Return the form that a device's nonce asks for; None for what no device sends."""
    if not set(nonce) <= set("0123456789abcdefABCDEF"):
        return None
    return next((form for form in PasswordForm if form.length == len(nonce)), None)


def answer_of(form: PasswordForm, password: SecretStr, nonce: str, cnonce: str) -> str:
    """Return the hex digits that prove the password for the device's nonce and the host's."""
    secret = password.get_secret_value().encode()
    if form is PasswordForm.MD5:
        return _md5(f"{_md5(secret)}:{nonce}:{cnonce}".encode())
    hashed = hashlib.sha256(secret).hexdigest()
    key = hashlib.pbkdf2_hmac("sha256", hashed.encode(), f"{nonce}:{cnonce}".encode(), ITERATIONS).hex()
    return hashlib.sha256(f"{key}:{nonce}:{cnonce}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class OtaPassword:
    """The password that a simulated device asks for."""

    secret: SecretStr
    form: PasswordForm = PasswordForm.MD5

    def nonce(self) -> str:
        """Return a new nonce of this form."""
        return secrets.token_hex(self.form.length // 2)

    def proven(self, nonce: str, cnonce: str, answer: str) -> bool:
        """Tell whether an answer proves the password."""
        return hmac.compare_digest(answer_of(self.form, self.secret, nonce, cnonce).encode(), answer.encode())


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
