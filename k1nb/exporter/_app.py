"""The two pages: /metrics and /health."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from k1nb.exporter._collector import StateCollector
from k1nb.exporter._conductor import ConductorWatch
from k1nb.exporter._fleet import Fleet
from k1nb.paths import Paths


def application(fleet: Fleet, conductor: ConductorWatch, paths: Paths) -> Starlette:
    """Return the exporter as an ASGI application."""
    registry = CollectorRegistry()
    registry.register(StateCollector(fleet, conductor, paths.artifacts))

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": content_type})

    async def health(_: Request) -> Response:
        found = health_of(fleet, conductor)
        return JSONResponse(found, 200 if found["status"] == "ok" else 503)

    return Starlette(routes=[Route("/metrics", metrics), Route("/health", health)])


def health_of(fleet: Fleet, conductor: ConductorWatch) -> dict[str, object]:
    """Return whether the exporter does its own work; devices and servers that are down are no fault of its."""
    watches = fleet.watches
    return {
        "status": "degraded" if fleet.trouble else "ok",
        "inventory": fleet.trouble or "readable",
        "devices": {"observed": len(watches), "up": sum(watch.up for watch in watches)},
        "conductor": "up" if conductor.up else "down",
    }
