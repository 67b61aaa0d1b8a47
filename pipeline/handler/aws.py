"""What AWS Lambda calls: `pipeline.handler.aws.handle`."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import Any

from pipeline import config, environment
from pipeline.errors import NightshelfError, SettingsError
from pipeline.handler import events, records
from pipeline.handler.database import Database
from pipeline.handler.door import Door
from pipeline.handler.events import Call
from pipeline.handler.secret import Login
from pipeline.reading import replies
from pipeline.reading.refusals import Refusal
from pipeline.reading.replies import Reply
from pipeline.reading.routes import NO_ROUTE

METHODS = ("GET", "HEAD", "POST")
NOT_SET_UP = "this function is not set up; its log says what is missing"
BROKEN = "something is wrong in the function; its log says what"


class Function:
    """One process of the function, which Lambda calls again and again, one call at a time."""

    def __init__(self) -> None:
        self._opened: tuple[Database, Door] | None = None
        self._is_cold = True

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """The reply to an event. context: of Lambda; `function_name` and `aws_request_id` are read from it"""
        begun = time.perf_counter()
        request = getattr(context, "aws_request_id", "")
        call: Call | None = None
        route = NO_ROUTE
        try:
            call = events.read(event)
            route, reply = self._door().reply(call)
        except Refusal as refused:
            reply = replies.refusal(refused.status, refused.detail)
        except NightshelfError as error:
            records.complain(str(error), requestId=request)
            reply = replies.refusal(500, NOT_SET_UP)
        except Exception as error:  # noqa: BLE001
            records.complain(type(error).__name__, requestId=request, trace=_trace(error))
            reply = replies.refusal(500, BROKEN)
        self._keep(route, call, reply, time.perf_counter() - begun, context)
        return events.reply_to(event, call, reply)

    def _door(self) -> Door:
        """Made at the first call that finds the function set up."""
        if self._opened is None:
            settings = config.load(_file())
            database = Database(Login(), settings)
            self._opened = database, Door(settings, database)
        return self._opened[1]

    def _keep(self, route: str, call: Call | None, reply: Reply, seconds: float, context: Any) -> None:
        n_connects, why = 0, ""
        if self._opened:
            database, door = self._opened
            n_connects, lost = database.counted()
            why = "; ".join(filter(None, (door.why, lost)))
        values = {
            "Requests": 1,
            "Failed": int(reply.status >= 500),
            "Latency": round(1000 * seconds, 1),
            "Connects": n_connects,
            "ColdStarts": int(self._is_cold),
        }
        self._is_cold = False
        method = call.method if call and call.method in METHODS else "other"
        more = {"method": method, "status": reply.status, "requestId": getattr(context, "aws_request_id", "")}
        if why:
            more["why"] = why
        records.keep(getattr(context, "function_name", "(none)"), route, values, **more)


def _file() -> Path:
    """The settings of the shop that this function answers for. Raises SettingsError"""
    shop = environment.shop()
    file = config.path() if shop is None else config.path().with_name(f"config.{shop}.toml")
    if not file.exists():
        raise SettingsError(
            f"the function has no settings file {file.name}",
            promised="those that lay in the checkout when the zip was made",
            then="mend NIGHTSHELF_SHOP, or make the zip anew where the file is, and deploy it",
        )
    return file


def _trace(error: Exception) -> list[str]:
    """Where an error was raised; without its message, which may hold what was asked."""
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
    ]


handle = Function()
