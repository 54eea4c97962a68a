"""A delivery and a visitor, with the oldest versions of grpcio and protobuf that the package says it works with."""

import asyncio

import countersign
from countersign.v1 import countersign_pb2 as pb

BODY = bytes(range(256))
ADA = countersign.Identity(id="user-42", attributes={"plan": "pro"})


def main() -> None:
    with countersign.Countersign() as client:
        headers = client.sign("demo/github-webhook", webhook=pb.WebhookToSign(body=BODY)).headers
        assert client.verify_webhook("demo/github-webhook", headers, BODY).verified
        assert not client.verify_webhook("demo/github-webhook", headers, b"").verified
        try:
            client.sign("demo/none", ADA)
        except countersign.CountersignError as error:
            assert error.reason == "SECRET_NOT_FOUND"
        else:
            raise AssertionError("there is no such secret")


async def main_async() -> None:
    async with countersign.AsyncCountersign() as client:
        proof = await client.sign("demo/chatwoot-identity", ADA)
        assert (await client.verify("demo/chatwoot-identity", ADA, hash=proof.hash)).verified


main()
asyncio.run(main_async())
