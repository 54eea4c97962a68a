"""When a connection is made, ended, cancelled and made again."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time

import grpc
import pytest
from conftest import Connect
from recorder import recorder
from test_client import ADA, CHATWOOT, refused

from countersign import AsyncCountersign, Countersign, CountersignError
from countersign.v1 import countersign_pb2 as pb

CODE = grpc.StatusCode


def test_a_cancelled_task_cancels_its_call_at_the_server() -> None:
    async def cancel(url: str) -> None:
        async with AsyncCountersign(url) as client:
            task = asyncio.create_task(client.verify(CHATWOOT))
            while not seen.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with recorder(pb.VerifyResponse(), hang=True) as seen:
        asyncio.run(cancel(seen.url))
        assert seen.hung_up.wait(10)


def test_closing_ends_the_calls_under_way() -> None:
    raised: list[CountersignError] = []

    def ask() -> None:
        try:
            client.verify(CHATWOOT)
        except CountersignError as error:
            raised.append(error)

    with recorder(pb.VerifyResponse(), hang=True) as seen:
        client = Countersign(seen.url, deadline=60)
        thread = threading.Thread(target=ask)
        thread.start()
        while not seen.requests:
            time.sleep(0.01)
        client.close()
        thread.join(10)
        assert seen.hung_up.wait(10)
    assert [error.code for error in raised] == [CODE.CANCELLED]

    async def close(url: str) -> None:
        client = AsyncCountersign(url, deadline=60)
        task = asyncio.create_task(client.verify(CHATWOOT))
        while not seen.requests:
            await asyncio.sleep(0.01)
        await client.close()
        with refused(CODE.CANCELLED):
            await task

    with recorder(pb.VerifyResponse(), hang=True) as seen:
        asyncio.run(close(seen.url))
        assert seen.hung_up.wait(10)


def test_a_closed_client_says_so() -> None:
    with Countersign() as client:
        client.sign(CHATWOOT, ADA)
    with refused(CODE.CANCELLED) as caught:
        client.sign(CHATWOOT, ADA)
    assert "closed" in str(caught.value)
    client.close()

    async def closed() -> None:
        async with AsyncCountersign() as client:
            await client.sign(CHATWOOT, ADA)
        with refused(CODE.CANCELLED):
            await client.sign(CHATWOOT, ADA)
        await client.close()

    asyncio.run(closed())


def test_one_client_serves_one_event_loop_after_another() -> None:
    client = AsyncCountersign()

    async def sign() -> str:
        return (await client.sign(CHATWOOT, ADA)).proof

    assert asyncio.run(sign()) == asyncio.run(sign())
    gc.collect()


def test_one_client_serves_many_threads_and_tasks() -> None:
    client = Countersign()
    proofs: list[str] = []
    threads = [threading.Thread(target=lambda: proofs.append(client.sign(CHATWOOT, ADA).proof)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    client.close()

    async def many() -> list[str]:
        async with AsyncCountersign() as client:
            signed = await asyncio.gather(*(client.sign(CHATWOOT, ADA) for _ in range(64)))
        return [one.proof for one in signed]

    proofs += asyncio.run(many())
    assert len(proofs) == 80
    assert len(set(proofs)) == 1


FORKS = """
import os
from countersign import Countersign, Identity
client = Countersign()  # as a server does that loads the app before it forks its workers
children = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if client.sign("demo/chatwoot-identity", Identity(id="u")).hash else 1)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_client_may_be_made_before_a_fork() -> None:
    subprocess.run([sys.executable, "-c", FORKS], check=True, timeout=60)


def test_a_server_that_is_back_is_found_at_once(connect: Connect) -> None:
    deny = pb.VerifyWebhookResponse(decision=pb.DECISION_DENY)
    with recorder(deny) as seen:
        client = connect(seen.url)
        client.verify_webhook("a/b", {}, b"")
    with refused(CODE.UNAVAILABLE):
        client.verify_webhook("a/b", {}, b"")
    with recorder(deny, port=int(seen.url.rpartition(":")[2])):
        end = time.monotonic() + 5
        while True:
            try:
                assert not client.verify_webhook("a/b", {}, b"").verified
                break
            except CountersignError:
                assert time.monotonic() < end
