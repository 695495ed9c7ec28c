"""Signatures in minisign's format, beside the stock program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.errors import RecordError
from k1nb.records._minisign import PublicKey, SecretKey

KEY = SecretKey(b"\1" * 8, b"\2" * 32)
DATA = b'{"run": "x"}\n'


def minisign(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the stock program."""
    program = shutil.which("minisign")
    assert program, "missing: minisign (Debian: apt-get install minisign)"
    return subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False)


def test_stock_minisign_verifies_ours(tmp_path: Path) -> None:
    """The stock program accepts a signature with its trusted comment, and refuses it for other bytes."""
    (tmp_path / "k.pub").write_text(KEY.public.text)
    (tmp_path / "m").write_bytes(DATA)
    (tmp_path / "m.minisig").write_text(KEY.sign(DATA, "record 12"))
    verified = minisign("-Vm", tmp_path / "m", "-p", tmp_path / "k.pub")
    assert (verified.returncode, verified.stdout.splitlines()[-1]) == (0, "Trusted comment: record 12")
    (tmp_path / "m").write_bytes(DATA + b" ")
    assert minisign("-Vm", tmp_path / "m", "-p", tmp_path / "k.pub").returncode != 0


def test_keys_of_stock_minisign_are_read(tmp_path: Path) -> None:
    """A pair that the stock program made without a password is the pair that we read; it signs with ours."""
    made = minisign("-G", "-W", "-p", tmp_path / "k.pub", "-s", tmp_path / "k.key")
    assert made.returncode == 0, made.stderr
    secret = SecretKey.parse((tmp_path / "k.key").read_text())
    assert secret.public == PublicKey.parse((tmp_path / "k.pub").read_text())
    (tmp_path / "ours.key").write_text(secret.text)
    (tmp_path / "m").write_bytes(DATA)
    assert minisign("-Sm", tmp_path / "m", "-s", tmp_path / "ours.key").returncode == 0
    assert minisign("-Vm", tmp_path / "m", "-p", tmp_path / "k.pub").returncode == 0


def test_keys_read_back_as_written() -> None:
    """A key's text gives the same key again, and its repr does not give it away."""
    assert SecretKey.parse(KEY.text) == KEY
    assert PublicKey.parse(KEY.public.text) == KEY.public
    assert KEY.seed.hex() not in repr(KEY)
    assert str(KEY.seed) not in repr(KEY)


@given(st.data())
def test_no_byte_of_a_signature_can_be_another(data: st.DataObject) -> None:
    """Whichever character of a signature's text is changed, removed or added, it is refused."""
    text = KEY.sign(DATA, "record 12, OK")
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(max_codepoint=127).filter(lambda c: c != text[place]))
    for changed in (
        text[:place] + other + text[place + 1 :],
        text[:place] + text[place + 1 :],
        text[:place] + other + text[place:],
    ):
        if changed == text:
            continue
        with pytest.raises(RecordError):
            KEY.public.verify(DATA, changed)


@given(st.binary(max_size=200), st.text(st.characters(exclude_categories=["C", "Z"]), max_size=40))
def test_what_was_signed_is_verified(data: bytes, comment: str) -> None:
    """Any bytes and any comment of one line verify under the key, and under no other."""
    text = KEY.sign(data, comment)
    assert KEY.public.verify(data, text) == comment
    with pytest.raises(RecordError, match="not signed by"):
        SecretKey.new().public.verify(data, text)
    with pytest.raises(RecordError, match="changed"):
        KEY.public.verify(data + b"x", text)


@given(st.text(max_size=300))
def test_no_text_is_taken_for_a_key(text: str) -> None:
    """What is no key is refused with an error of ours."""
    for parse in (PublicKey.parse, SecretKey.parse):
        with pytest.raises(RecordError):
            parse(text)


def test_a_damaged_secret_key_is_seen() -> None:
    """A secret key with another byte in it is damaged, not another key."""
    line = KEY.text.split("\n")[1]
    for place in range(75, len(line) - 2, 7):
        other = "A" if line[place] != "A" else "B"
        with pytest.raises(RecordError, match="damaged"):
            SecretKey.parse(f"x\n{line[:place]}{other}{line[place + 1 :]}\n")
