from __future__ import annotations

import pytest
from pydantic import SecretStr

from k1nb.config import Settings
from k1nb.stack._memory import Memory, secrets_digest


def test_what_is_noted_is_read_again(settings: Settings) -> None:
    """A stop on purpose and a failure are known to the next command."""
    Memory.read(settings).stopped("simulator")
    Memory.read(settings).failed("workers", "no memory")
    known = Memory.read(settings)
    assert known.on_purpose == ["simulator"]
    assert known.failures == {"workers": "no memory"}
    known.started("simulator")
    known.started("workers")
    assert (Memory.read(settings).on_purpose, Memory.read(settings).failures) == ([], {})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"on_purpose": 1}'])
def test_a_damaged_memory_is_none(settings: Settings, text: str) -> None:
    """It only explains; nothing is lost with it."""
    Memory.read(settings).stopped("simulator")
    (settings.paths.stack / "services.json").write_text(text, encoding="utf-8")
    assert Memory.read(settings).on_purpose == []


def test_the_digest_changes_with_a_secret(settings: Settings) -> None:
    """Another value, and one more or less, give another digest that doesn't show it."""
    one = settings.model_copy(update={"github_webhook_secret": SecretStr("one")})
    two = settings.model_copy(update={"github_webhook_secret": SecretStr("two")})
    digests = {secrets_digest(s) for s in (settings, one, two)}
    assert len(digests) == 3
    assert secrets_digest(one) == secrets_digest(one)
