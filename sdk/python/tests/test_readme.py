"""A newcomer with nothing but the README's lines gets to a verified delivery."""

import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import types
from pathlib import Path

from conftest import setting

import countersign
from countersign.v1 import countersign_pb2 as pb
from countersign.v1 import secret_pb2

ROOT = Path(__file__).parents[3]
CLONE = "/path/to/your/clone"
README = (ROOT / "sdk/python/README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_lines_of_the_readme_lead_to_a_verified_delivery(tmp_path: Path) -> None:
    install, serve, send = blocks("sh")
    app, (printed,) = blocks("python")[0], blocks("text")
    (tmp_path / "app.py").write_text(app)
    # Those of the folder come first, and python3 is that of these tests.
    programs = [tmp_path / ".venv/bin", Path(sys.executable).parent, Path(setting("COUNTERSIGN_BIN")).parent]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        "PIP_CONSTRAINT": str(ROOT / "sdk/python/requirements.txt"),
        "PIP_BUILD_CONSTRAINT": str(ROOT / "sdk/python/requirements.txt"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_QUIET": "1",
    }
    environment.pop("PYTHONPATH", None)
    assert CLONE in install
    install = install.replace(CLONE, shlex.quote(str(ROOT)))
    subprocess.run(["bash", "-ec", install], cwd=tmp_path, env=environment, check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    serve, send = (re.sub(r"\b8080\b", port, lines) for lines in (serve, send))
    server = subprocess.Popen(["bash", "-ec", f"exec {serve}"], cwd=tmp_path, env=environment)
    try:
        wait_for(int(port), server)
        said = subprocess.run(["bash", "-ec", send], cwd=tmp_path, env=environment, check=True, capture_output=True)
        assert said.stdout.decode() == printed
    finally:
        server.terminate()
        server.wait(10)


def test_the_other_lines_of_the_readme_work_as_well() -> None:
    body = b"{}"
    with countersign.Countersign() as client:
        with contextlib.suppress(countersign.CountersignError):  # of a run before this one
            client.create_secret("acme/stripe", "stripe.webhook")
            client.create_secret("acme/chatwoot", "chatwoot.identity", mode=secret_pb2.MODE_REQUIRED)
        headers = dict(client.sign("acme/stripe", webhook=pb.WebhookToSign(body=body)).headers)
    request = types.SimpleNamespace(headers=headers, get_data=lambda: body)
    names = {"token": None, "request": request, "headers": {}, "body": body}
    code = blocks("python")[1].replace("https://countersign.internal:50051", setting("COUNTERSIGN_SERVER"))
    exec(code, names)
    names["client"].close()
    assert names["verdict"].is_event


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise AssertionError("the server of the README does not answer")


def test_a_user_writes_no_more_lines_than_for_stripe_s_own_library() -> None:
    own = """
import stripe
from fastapi import FastAPI, HTTPException, Request

app = FastAPI()

@app.post("/stripe")
async def receive(request: Request):
    try:
        event = stripe.Webhook.construct_event(await request.body(), request.headers["stripe-signature"], KEY)
    except (ValueError, KeyError, stripe.SignatureVerificationError):
        raise HTTPException(401)
    return event["type"]
"""
    assert lines(blocks("python")[0]) < lines(own)


def lines(code: str) -> int:
    return len([line for line in code.splitlines() if line.strip()])
