"""Tests of the OTA password's two forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from k1nb.device._ota_password import OtaPassword, PasswordForm, answer_of, form_of

SECRET = SecretStr("p4ss:wört")
NONCE, CNONCE = "0123456789abcdef" * 2, "fedcba9876543210" * 2


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        (PasswordForm.MD5, "020d85b98c8a675df64e3e05405d486d"),
        (PasswordForm.PBKDF2, "d123d005449c66109c614345126f6d23bbca2779d03f9710e2b9d8826379983b"),
    ],
)
def test_the_answer_is_what_other_tools_compute(form: PasswordForm, answer: str) -> None:
    """For a password beyond ASCII the answers are those that md5sum, sha256sum and OpenSSL's PBKDF2 come to."""
    times = form.length // 32
    assert answer_of(form, SECRET, NONCE * times, CNONCE * times) == answer


@pytest.mark.parametrize(
    ("nonce", "form"),
    [
        ("a" * 32, PasswordForm.MD5),
        ("A0" * 32, PasswordForm.PBKDF2),
        ("a" * 40, None),
        ("", None),
        ("g" * 32, None),
        ("a" * 31 + " ", None),
    ],
)
def test_the_nonce_tells_the_form(nonce: str, form: PasswordForm | None) -> None:
    """32 hex digits ask for MD5, 64 for PBKDF2, and anything else for nothing that is known."""
    assert form_of(nonce) is form


@given(st.text(), st.text())
def test_only_the_right_password_is_proven(right: str, given_one: str) -> None:
    """An answer proves its password and no other, and any text may stand in an answer's place."""
    password = OtaPassword(SecretStr(right.encode(errors="replace").decode()))
    nonce = password.nonce()
    answer = answer_of(PasswordForm.MD5, SecretStr(given_one.encode(errors="replace").decode()), nonce, CNONCE)
    same = right.encode(errors="replace") == given_one.encode(errors="replace")
    assert password.proven(nonce, CNONCE, answer) is same
    assert not password.proven(nonce, CNONCE, given_one)


def test_a_nonce_is_new_each_time() -> None:
    """Nonces do not repeat, and have their form's length."""
    for form in PasswordForm:
        nonces = {OtaPassword(SECRET, form).nonce() for _ in range(50)}
        assert len(nonces) == 50
        assert {form_of(nonce) for nonce in nonces} == {form}


def test_a_password_is_not_shown() -> None:
    """The value of a password stands in no text about it."""
    assert "wört" not in f"{OtaPassword(SECRET)!r}{OtaPassword(SECRET)}"
