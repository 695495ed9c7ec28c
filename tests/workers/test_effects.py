"""The journal of effects."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from k1nb.config import Settings
from k1nb.errors import StorageError, TerminalFailure
from k1nb.paths import Paths
from k1nb.workers import TaskContext, task
from k1nb.workers._effects import Effects
from tests.workers.scratch import Scratch, hosting, unique
from tests.workers.test_host import Given, Made

pytestmark = pytest.mark.anyio


@pytest.fixture
def effects(tmp_path: Path) -> Effects:
    """Return the journal of a fresh home."""
    return Effects(Paths(tmp_path, tmp_path, tmp_path))


class Mail(BaseModel):
    """What an effect returns."""

    number: int


def sending(sent: list[int], error: BaseException | None = None) -> Callable[[], Awaitable[Mail]]:
    """Return an effect that counts itself."""

    async def send() -> Mail:
        sent.append(1)
        await asyncio.sleep(0)
        if error is not None:
            raise error
        return Mail(number=len(sent))

    return send


async def test_the_first_result_is_kept(effects: Effects, tmp_path: Path) -> None:
    """An effect is brought about once, and its result survives the host; another key is another effect."""
    sent: list[int] = []
    assert (await effects.once("a", Mail, sending(sent))).number == 1
    again = Effects(Paths(tmp_path, tmp_path, tmp_path))
    assert (await again.once("a", Mail, sending(sent))).number == 1
    assert (await again.once("b", Mail, sending(sent))).number == 2


async def test_two_at_once_are_one(effects: Effects) -> None:
    """Two deliveries at the same time bring the effect about once and both get its result."""
    sent: list[int] = []
    both = await asyncio.gather(*(effects.once("a", Mail, sending(sent)) for _ in range(2)))
    assert ([mail.number for mail in both], len(sent)) == ([1, 1], 1)


async def test_a_failed_effect_is_not_kept(effects: Effects) -> None:
    """An effect that raised is tried again by the next call."""
    sent: list[int] = []
    with pytest.raises(ZeroDivisionError):
        await effects.once("a", Mail, sending(sent, ZeroDivisionError()))
    assert (await effects.once("a", Mail, sending(sent))).number == 2


async def test_a_failed_effect_is_looked_for(effects: Effects) -> None:
    """An effect that raised may have happened, so `look` is asked before it is brought about again."""
    sent: list[int] = []

    async def found() -> Mail:
        return Mail(number=7)

    with pytest.raises(TimeoutError):
        await effects.once("a", Mail, sending(sent, TimeoutError()), found)
    assert ((await effects.once("a", Mail, sending(sent), found)).number, len(sent)) == (7, 1)


async def test_callers_of_one_key_never_overlap(effects: Effects) -> None:
    """However many wait for a key, and whoever comes while one has failed, its effect runs once at a time."""
    running, most = 0, 0

    async def fail() -> Mail:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        raise ZeroDivisionError

    async def call() -> None:
        with pytest.raises(ZeroDivisionError):
            await effects.once("a", Mail, fail)

    first, second = asyncio.create_task(call()), asyncio.create_task(call())
    await first  # the second one is about to take the lock that the first has let go
    third = asyncio.create_task(call())
    await asyncio.gather(second, third)
    assert most == 1


async def test_a_kind_that_cannot_be_kept_is_refused_before(effects: Effects) -> None:
    """Where no result could be kept, the effect is not brought about at all."""
    sent: list[int] = []

    async def effect() -> Effects:
        sent.append(1)
        return effects

    with pytest.raises(TerminalFailure, match="no result of the effect 'a' could be kept"):
        await effects.once("a", Effects, effect)
    assert sent == []


@pytest.mark.parametrize(
    ("kind", "result"),
    [(int, "many"), (Any, object()), (dict[str, Any], {"o": object()}), (Mail, Mail.model_construct(number="x"))],
    ids=["wrong type", "no data", "no data within", "wrong model"],
)
async def test_a_result_that_cannot_be_kept_is_final(effects: Effects, kind: Any, result: Any) -> None:
    """A result that is not what was promised fails for good, and the effect that has happened is not repeated."""
    done: list[int] = []

    async def effect() -> Any:
        done.append(1)
        return result

    for _ in range(2):
        with pytest.raises(TerminalFailure, match="the effect 'a' has happened"):
            await effects.once("a", kind, effect)
    assert done == [1]


async def test_a_name_that_is_no_unicode_is_kept(effects: Effects, tmp_path: Path) -> None:
    """Names of files, in keys and in results, need not be UTF-8."""
    name = os.fsdecode(b"caf\xe9")
    for journal in (effects, Effects(Paths(tmp_path, tmp_path, tmp_path))):
        assert await journal.once(name, str, lambda: asyncio.sleep(0, name)) == name


async def test_an_effect_of_unknown_end_is_looked_for(effects: Effects) -> None:
    """After an effect was cut, `look` may find it; where it finds nothing, it is brought about again."""
    sent: list[int] = []

    async def found() -> Mail:
        return Mail(number=7)

    async def missing() -> None:
        return None

    for key in ("a", "b"):
        with pytest.raises(asyncio.CancelledError):
            await effects.once(key, Mail, sending(sent, asyncio.CancelledError()))
    assert (await effects.once("a", Mail, sending(sent), found)).number == 7
    assert (await effects.once("b", Mail, sending(sent), missing)).number == 3


async def test_what_is_kept_must_fit(effects: Effects) -> None:
    """A key that was used for something else is refused by name."""
    await effects.once("a", Mail, sending([]))
    with pytest.raises(TerminalFailure, match="'a' is no int"):
        await effects.once("a", int, lambda: asyncio.sleep(0, 1))


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", "null", "7", "[" * 100_000], ids=["cut", "list", "empty", "null", "number", "deep"]
)
async def test_a_damaged_journal_is_named(effects: Effects, tmp_path: Path, text: str) -> None:
    """A file that cannot be read is never taken for an effect that is still to be brought about."""
    await effects.once("a", Mail, sending([]))
    (file,) = (tmp_path / "effects").glob("*.json")
    file.write_text(text)
    with pytest.raises(StorageError, match=str(file)):
        await effects.once("a", Mail, sending([]))


async def test_a_retry_does_not_repeat_the_effect(scratch: Scratch, host_settings: Settings) -> None:
    """A task that fails after its effect gets the first result at its next try."""
    name, sent = await scratch.define(unique("once"), retryCount=1), list[int]()

    @task(name)
    async def send(given: Given, context: TaskContext) -> Made:  # noqa: ARG001 - a task takes both
        mail = await context.once(f"{context.key}/mail", Mail, sending(sent))
        if context.task.retry_count == 0:
            raise ZeroDivisionError
        return Made(text=str(mail.number))

    async with hosting(host_settings, send):
        execution = await scratch.ended(await scratch.start(name, text="x"))
    assert [t["status"] for t in execution["tasks"]] == ["FAILED", "COMPLETED"]
    assert (execution["tasks"][1]["outputData"], len(sent)) == ({"text": "1"}, 1)
    log = await scratch.task_log(execution["tasks"][1]["taskId"])
    assert log == [f"attempt 2, delivery 1, by {execution['tasks'][1]['workerId']}"]
