"""The examples run, with the demo secrets of the testbed."""

import http.client
import json
from pathlib import Path

from serving import START_SECS, as_json, serving

from countersign import Countersign, Identity
from countersign.v1 import countersign_pb2 as pb

EXAMPLES = Path(__file__).parents[3] / "examples" / "python"
ADA = Identity(id="user-42", email="ada@example.com", name="Ada")


def test_the_stripe_receiver_takes_what_is_genuine(tmp_path: Path) -> None:
    body = b'{"id":"evt_1","type":"charge.succeeded"}'
    with Countersign() as client, serving("uvicorn", "stripe_webhook:app", EXAMPLES, tmp_path / "log") as site:
        headers = dict(client.sign("demo/stripe-webhook", webhook=pb.WebhookToSign(body=body)).headers)
        assert as_json(site.post("/stripe", body, headers)) == {"received": "evt_1"}
        assert site.post("/stripe", body + b" ", headers).status == 401


def test_the_chat_backend_signs_for_every_widget(tmp_path: Path) -> None:
    with Countersign() as client, serving("uvicorn", "chat_backend:app", EXAMPLES, tmp_path / "log") as site:

        def fields(vendor: str) -> dict[str, str]:
            connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=START_SECS)
            connection.request("GET", f"/chat/{vendor}")
            response = connection.getresponse()
            found = json.loads(response.read())
            connection.close()
            return found if response.status == 200 else {"status": response.status}

        chatwoot, pylon = fields("chatwoot"), fields("pylon")
        assert chatwoot["identifier"] == "user-42"
        assert client.verify("demo/chatwoot-identity", ADA, hash=chatwoot["identifier_hash"]).verified
        assert client.verify("demo/pylon-identity", ADA, hash=pylon["email_hash"]).verified
        assert client.verify("demo/kaltalk-token", ADA, token=fields("kaltalk")["userJwt"]).verified
        assert client.verify("demo/talkjs-token", ADA, token=fields("talkjs")["token"]).verified
        assert fields("nobody") == {"status": 404}
