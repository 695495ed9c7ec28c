"""Host names of devices."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from k1nb.device import Device
from k1nb.errors import DeviceUnreachable
from k1nb.exporter._names import resolved

K1 = Device("k1", "02:4B:31:00:00:09", "127.0.0.1")


def test_a_name_becomes_its_address() -> None:
    """The device stays the same but for its address; an address is taken as it is."""
    named = replace(K1, address="localhost")
    assert asyncio.run(resolved(named)) == replace(named, address="127.0.0.1")
    assert asyncio.run(resolved(K1)) is K1


def test_a_name_that_means_nothing_is_the_device_s_silence() -> None:
    """It is unreachable, as any device that does not answer."""
    with pytest.raises(DeviceUnreachable, match=r"nowhere\.invalid"):
        asyncio.run(resolved(replace(K1, address="nowhere.invalid")))


def test_who_gives_up_waiting_is_not_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup that outlives its look, and even the loop, ends quietly in a thread that holds nothing up."""
    asked, answer = threading.Event(), threading.Event()

    def slow(*_: object) -> list[tuple[object, ...]]:
        asked.set()
        answer.wait(10)
        return [(0, 0, 0, "", ("192.0.2.1", 0))]

    async def given_up() -> list[threading.Thread]:
        waiting = asyncio.create_task(resolved(replace(K1, address="slow.invalid")))
        assert await asyncio.to_thread(asked.wait, 10)
        waiting.cancel()
        return [thread for thread in threading.enumerate() if thread.name == "name of k1"]

    monkeypatch.setattr("socket.getaddrinfo", slow)
    (thread,) = asyncio.run(given_up())
    assert thread.daemon
    answer.set()
    thread.join(10)
    assert not thread.is_alive()
