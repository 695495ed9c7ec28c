"""What every HTTP client of ours shares."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from k1nb._http import run, words


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (httpx.Response(404, json={"message": "No such workflow", "status": 404}), "No such workflow"),
        (
            httpx.Response(
                400, json={"message": "x", "validationErrors": [{"message": "a is wrong"}, {"message": "b"}]}
            ),
            "a is wrong; b",
        ),
        (httpx.Response(429, json={"error": "rate_limited"}), "rate_limited"),
        (httpx.Response(500, text="<html>\n  broken </html>"), "HTTP 500 with a page instead of words"),
        (httpx.Response(502), "HTTP 502 without a body"),
    ],
)
def test_error_answers_are_quoted_on_one_line(response: httpx.Response, expected: str) -> None:
    """An error answer is given in the server's own words, on one line."""
    assert words(response) == expected


def test_long_answers_are_cut() -> None:
    """An error page of megabytes becomes one readable line."""
    assert len(words(httpx.Response(500, text="x" * 10_000_000))) == 300


async def _double(number: int) -> int:
    await asyncio.sleep(0)
    return number * 2


def test_coroutines_run_with_and_without_a_loop() -> None:
    """Synchronous code may run a coroutine, inside a running loop too, as in a notebook."""

    async def inside() -> int:
        return run(_double, 4)

    assert run(_double, 2) == 4
    assert asyncio.run(inside()) == 8
