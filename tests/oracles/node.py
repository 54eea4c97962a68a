"""The vendors' npm libraries: one process of vendors.mjs for the whole run, asked in batches."""

import atexit
import base64
import functools
import json
import os
import subprocess
import urllib.parse

from delivery import Delivery, Draft
from webhook_vendor import Accept


class LibraryFailed(Exception):
    """A library raised where it had nothing to refuse."""


@functools.cache
def process() -> subprocess.Popen:
    """It ends when its input does."""
    script = os.path.join(os.environ["ORACLES_WORK"], "node", "vendors.mjs")
    process = subprocess.Popen(["node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(process.communicate)
    return process


def ask(call: str, vendor: str, key: str, requests: list[Draft] | list[Delivery]) -> list:
    """What a vendor's library answers about each of the requests."""
    question = {"call": call, "vendor": vendor, "key": key, "items": [item(request) for request in requests]}
    process().stdin.write(json.dumps(question).encode() + b"\n")
    process().stdin.flush()
    answer = json.loads(process().stdout.readline())
    if "error" in answer:
        raise LibraryFailed(f"{vendor}: {answer['error']}")
    return answer["results"]


def accept(vendor: str) -> Accept:
    return lambda key, deliveries: ask("accept", vendor, key, deliveries)


def item(request: Draft | Delivery) -> dict:
    url = urllib.parse.urlsplit(request.url)
    return {
        "method": request.method,
        "path": url.path + (f"?{url.query}" if url.query else ""),
        "headers": request.joined(),
        "body": base64.b64encode(request.body).decode(),
        "at_ms": getattr(request, "at_ms", None),
    }
