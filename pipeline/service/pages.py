"""What people open in a browser: the page at `/` and the files beside it."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from pipeline.service.replies import Refusal

FOLDER = Path(__file__).parent / "page"
router = APIRouter(include_in_schema=False)


@router.get("/")
async def page() -> Response:
    """The page itself."""
    return _file("index.html")


@router.get("/page/{name}")
async def part(name: str) -> Response:
    """A file of the page."""
    return _file(name)


def _file(name: str) -> Response:
    files = {path.name: path for path in FOLDER.iterdir() if path.is_file()} if FOLDER.is_dir() else {}
    if name not in files:
        raise Refusal(404, "there is no such page")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return FileResponse(files[name], media_type=kind, headers={"Cache-Control": "no-cache"})
