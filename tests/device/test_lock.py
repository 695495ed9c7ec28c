"""Tests of the device's lock."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from dataclasses import replace
from multiprocessing.synchronize import Event

import pytest

from k1nb.device import Device, flash_lock, is_held
from k1nb.errors import DeviceBusy
from k1nb.paths import Paths
from tests.device.conftest import QUICK

SOON = replace(QUICK, device_lock=0.15)


def test_a_second_holder_is_told_that_the_device_is_busy(demo: Device, paths: Paths) -> None:
    """Whoever comes second waits for a moment, then gets DeviceBusy that names the device."""
    with flash_lock(paths, demo, SOON), pytest.raises(DeviceBusy, match="demo"), flash_lock(paths, demo, SOON):
        pass


def test_the_lock_is_free_again_after_its_block(demo: Device, paths: Paths) -> None:
    """It is let go of at the end, also of a block that raises."""
    with pytest.raises(RuntimeError), flash_lock(paths, demo, SOON):
        raise RuntimeError
    with flash_lock(paths, demo, SOON):
        pass


def test_the_lock_is_the_device_s_not_the_name_s(demo: Device, paths: Paths) -> None:
    """The same MAC under another name is the same device; another MAC is not."""
    renamed = replace(demo, name="renamed", address="127.0.0.2")
    with flash_lock(paths, demo, SOON):
        with pytest.raises(DeviceBusy), flash_lock(paths, renamed, SOON):
            pass
        with flash_lock(paths, replace(demo, mac="02:4B:31:00:00:77"), SOON):
            pass


def test_waiting_does_not_stop_the_event_loop(demo: Device, paths: Paths) -> None:
    """With `async with`, others run while one waits, and the one who waits gets the lock when it is free."""

    async def scenario() -> list[str]:
        order: list[str] = []

        async def second() -> None:
            async with flash_lock(paths, demo, QUICK):
                order.append("second")

        async with flash_lock(paths, demo, QUICK):
            waiting = asyncio.create_task(second())
            await asyncio.sleep(0.1)
            order.append("first")
        await waiting
        return order

    assert asyncio.run(scenario()) == ["first", "second"]


def test_an_asynchronous_wait_ends_too(demo: Device, paths: Paths) -> None:
    """The wait for a held lock ends with DeviceBusy in the asynchronous form as well."""

    async def scenario() -> None:
        async with flash_lock(paths, demo, SOON):
            with pytest.raises(DeviceBusy):
                async with flash_lock(paths, demo, SOON):
                    pass

    asyncio.run(scenario())


def _hold(paths: Paths, device: Device, held: Event) -> None:
    with flash_lock(paths, device, QUICK):
        held.set()
        time.sleep(60)


def test_the_lock_falls_with_the_process_that_holds_it(demo: Device, paths: Paths) -> None:
    """Another process's lock is respected, and gone when that process is killed."""
    context = multiprocessing.get_context("fork")
    held = context.Event()
    process = context.Process(target=_hold, args=(paths, demo, held))
    process.start()
    try:
        assert held.wait(10)
        with pytest.raises(DeviceBusy), flash_lock(paths, demo, SOON):
            pass
    finally:
        process.kill()
        process.join(10)
    with flash_lock(paths, demo, QUICK):
        pass


def test_it_can_be_seen_that_a_device_is_held(demo: Device, paths: Paths) -> None:
    """Looking whether the lock is held takes nothing from anybody, and makes no file."""
    assert not is_held(paths, demo)
    assert not paths.devices.exists()
    with flash_lock(paths, demo, SOON):
        assert is_held(paths, demo)
        assert not is_held(paths, replace(demo, mac="02:4B:31:00:00:77"))
    assert not is_held(paths, demo)
