"""Where notifications go beside log and file: webhooks and whatever Apprise knows, as far as they are set up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import httpx

from k1nb._http import options, words
from k1nb.config import Settings
from k1nb.errors import PrerequisiteError, RetryableFailure

Send = Callable[[Settings, str], Coroutine[Any, Any, str]]


def channels(settings: Settings) -> dict[str, Send]:
    """Return how to send to each channel that is set up, by its name."""
    known: dict[str, tuple[object, Send]] = {
        "slack": (settings.notify_webhook_url, send_webhook),
        "apprise": (settings.notify_apprise_urls, send_apprise),
    }
    return {name: send for name, (address, send) in known.items() if address is not None}


async def send_webhook(settings: Settings, text: str) -> str:
    """Post a text as Slack's webhooks take it; raises RetryableFailure, in which no address is named."""
    address = settings.notify_webhook_url
    url = address.get_secret_value() if address else ""
    server = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    try:
        async with httpx.AsyncClient(**options(settings.timings.notify_request, server)) as client:
            response = await client.post(url, json={"text": text})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise RetryableFailure(f"the webhook does not answer: {type(error).__name__}") from None
    if not response.is_success:
        said = settings.redact(words(response))
        raise RetryableFailure(f"the webhook answered {response.status_code}: {said}")
    return f"HTTP {response.status_code}"


async def send_apprise(settings: Settings, text: str) -> str:
    """Hand a text to Apprise; raises PrerequisiteError without it, RetryableFailure where an address took nothing."""
    secret = settings.notify_apprise_urls
    addresses = secret.get_secret_value().split() if secret else []
    try:
        apprise = import_module("apprise")
    except ImportError:
        raise PrerequisiteError("apprise is not installed", hint="pip install 'k1nb[notify]'") from None
    sender = apprise.Apprise()
    known = [address for address in addresses if sender.add(address)]
    if len(known) < len(addresses):
        hint = "see what Apprise takes, and correct K1NB_NOTIFY_APPRISE_URLS"
        raise RetryableFailure(f"Apprise does not know {len(addresses) - len(known)} of its addresses", hint=hint)
    with apprise.LogCapture(level=apprise.logging.WARNING, fmt="%(message)s") as said:
        if not await asyncio.to_thread(sender.notify, body=text):
            why = " ".join(settings.redact(said.getvalue()).split())[:200]
            raise RetryableFailure(f"Apprise could not deliver to every address: {why}")
    return f"{len(known)} addresses"
