"""A verifier for deliveries of GitHub. It answers the conformance kit; `verify` is what a service needs of it."""
import hashlib, hmac, json, sys


def verify(key: str, headers: list, body: bytes) -> bool:
    sent = [value for name, value in headers if name.lower() == "x-hub-signature-256"]
    if len(sent) != 1 or not sent[0].startswith("sha256="):
        return False
    expected = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), sent[0][len("sha256="):].lower().encode())


for line in sys.stdin:
    case = json.loads(line)
    answer = {"id": case["id"], "skip": True}
    if case["scheme"] == "github.webhook" and "body" in case:
        accept = verify(case["key"], case["headers"], case["body"].encode())
        answer = {"id": case["id"], "accept": accept}
    print(json.dumps(answer), flush=True)
