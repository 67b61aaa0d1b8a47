"""One JSON line for each call: a log line, and metrics in CloudWatch's embedded metric format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
No line holds an id, a basket, a password or a URL.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

NAMESPACE = "Nightshelf"
METRICS = {
    "Requests": "Count",
    "Failed": "Count",
    "Latency": "Milliseconds",
    "Connects": "Count",
    "ColdStarts": "Count",
}
"""Each metric and its unit. Failed: replies of 500 and above; Connects: connections made to the database."""
DIMENSIONS = [["Function"], ["Function", "Route"]]


def keep(function: str, route: str, values: Mapping[str, float], **more: Any) -> None:
    """Write the line of a call.

    function: its name in Lambda
    values: of every metric
    more:   what is only logged
    """
    now = time.time()
    emf = {
        "Timestamp": int(1000 * now),
        "CloudWatchMetrics": [
            {
                "Namespace": NAMESPACE,
                "Dimensions": DIMENSIONS,
                "Metrics": [{"Name": name, "Unit": unit} for name, unit in METRICS.items()],
            }
        ],
    }
    level = "ERROR" if values["Failed"] else "INFO"
    _write({**_head(level, now), "Function": function, "Route": route, **values, **more, "_aws": emf})


def complain(message: str, **more: Any) -> None:
    """Write what an operator has to know."""
    _write({**_head("ERROR", time.time()), "message": message, **more})


def _head(level: str, now: float) -> dict[str, Any]:
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return {"timestamp": at.replace("+00:00", "Z"), "level": level}


def _write(line: Mapping[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()
