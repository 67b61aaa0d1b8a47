"""Stands for Lambda's runtime: imports the handler from a folder, and answers a JSON call a line.

    python lambda_runtime.py FOLDER

A line of the answer is `{"seconds": ..., "reply": ...}`; the first one's begin before the import. What
the handler logs goes to stderr. A line `{"set": {"PAUSE_SECONDS": 0}}` changes pipeline.handler.secret.
"""

from __future__ import annotations

import json
import sys
import time

begun = time.perf_counter()
answers, sys.stdout = sys.stdout, sys.stderr
sys.path.insert(0, sys.argv[1])

from pipeline.handler import secret  # noqa: E402
from pipeline.handler.aws import handle  # noqa: E402

for line in sys.stdin:
    call = json.loads(line)
    if "set" in call:
        vars(secret).update(call["set"])
        reply = None
    else:
        reply = handle(call, None)
    answers.write(json.dumps({"seconds": time.perf_counter() - begun, "reply": reply}) + "\n")
    answers.flush()
    begun = time.perf_counter()
