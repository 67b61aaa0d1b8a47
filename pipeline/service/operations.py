"""What operators ask: whether the process lives, whether it can answer, and how it has fared."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

router = APIRouter()


@router.get("/health")
async def health() -> Response:
    """200 while the process answers, whatever the database does."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


@router.get("/ready")
async def ready(request: Request) -> Response:
    """200 where the database answers and something is live; else 503 and one sentence."""
    door = request.app.state.door
    answer = await door.ask((await door.questions()).publication())
    return JSONResponse({"status": "ready", "version": answer.version}, headers={"Cache-Control": "no-store"})
