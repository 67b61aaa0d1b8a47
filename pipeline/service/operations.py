"""What operators ask: whether the process lives, whether it can answer, and how it has fared."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from pipeline.reading.refusals import EMPTY, Unavailable
from pipeline.reading.replies import NEVER
from pipeline.service.lists import Lists
from pipeline.service.records import Records

router = APIRouter(tags=["operations"])


@router.get("/health")
async def health() -> Response:
    """200 while the process answers, whatever the database does. Needs no token."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": NEVER})


@router.get("/ready")
async def ready(request: Request) -> Response:
    """200 where the database answers and something is live, else 503 and one sentence. Needs no token."""
    database: Lists = request.app.state.database
    version = (await database.look()).version
    if version is None:
        raise Unavailable(EMPTY)
    return JSONResponse({"status": "ready", "version": version}, headers={"Cache-Control": NEVER})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Requests, latencies, connections and the live version, as Prometheus reads them."""
    database: Lists = request.app.state.database
    records: Records = request.app.state.records
    try:
        version = (await database.look()).version
    except Unavailable:
        records.is_up.set(0)
        records.version.set(0)
    else:
        records.is_up.set(1)
        records.version.set(version or 0)
    connections = database.connections()
    records.connections.set(connections.n)
    records.idle.set(connections.n_idle)
    records.waiting.set(connections.n_waiting)
    return Response(
        generate_latest(records.registry), media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": NEVER}
    )
