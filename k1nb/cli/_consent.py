"""How consent to a plan is given on the command line: with the very words that it was made from."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from k1nb.plan import Plan

_CONSENT, _JSON, _END = "--apply", "--json", "--"


def how_to_apply(plan: Plan, *, command: str = "") -> str:
    """Return the command that applies a plan: the one that was given here, and the plan's id.

    `command` names the group and command that applies it, where that is another one of the same words.
    """
    words = list(without_consent(sys.argv[1:]))
    named = command.split()
    given = [*named, *words[len(named) :]]
    place = given.index(_END) if _END in given else len(given)
    return f"apply it with: {shlex.join(['k1nb', *given[:place], _CONSENT, plan.id, *given[place:]])}"


def refuse_empty(words: Sequence[str]) -> None:
    """Raise UsageError for an empty consent, as an unset variable of a shell gives it."""
    options = list(words[: words.index(_END)] if _END in words else words)
    given = [after for word, after in pairwise(options) if word == _CONSENT]
    given += [word.removeprefix(f"{_CONSENT}=") for word in options if word.startswith(f"{_CONSENT}=")]
    if any(not consent.strip() for consent in given):
        from k1nb.errors import UsageError

        raise UsageError(
            f"{_CONSENT} names no plan", hint=f"give it a plan's id, or leave {_CONSENT} out to see the plan"
        )


def without_consent(words: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command but for the consent to an earlier plan, and for JSON's, which no person reads."""
    rest = iter(words)
    for word in rest:
        if word == _CONSENT:
            next(rest, None)
        elif word != _JSON and not word.startswith(f"{_CONSENT}="):
            yield word
