"""Mends what the generator of docs/openapi.yaml gets wrong: `openapi.py FILE`.

The protocol's version need not be sent, a choice may be left out, an object is closed by what all its parts name and
not by each of them, bytes are base64, and a stream is no call of JSON.
"""

import re
import sys
from pathlib import Path

SERVERS = "servers:\n  - url: http://127.0.0.1:50051\n    description: "
# Choices of which none is a choice too: no proof, an empty body, the default grace.
OPTIONAL = ("VerifyRequest", "VerifyWebhookRequest", "RotateSecretRequest")

path = Path(sys.argv[1])
text = path.read_text()
text, versions = re.subn(r"(name: Connect-Protocol-Version\n +in: header\n) +required: true\n", r"\1", text)
text = text.replace("additionalProperties: false", "unevaluatedProperties: false")
text = re.sub(r"^( +)format: byte$", r"\1format: byte\n\1contentEncoding: base64", text, flags=re.MULTILINE)
text, streams = re.subn(r"^  /countersign\.v1\.BackupService/CreateBackup: \{\}\n", "", text, flags=re.MULTILINE)
text = text.replace("\nsecurity:\n", f"\n{SERVERS}what `countersign dev` serves\nsecurity:\n", 1)
for name in OPTIONAL:
    start = text.index(f"\n    countersign.v1.{name}:\n")
    end = text.index(f"\n      title: {name}\n", start)
    choices = re.findall(r"\n +required:\n +- (\w+)(?=\n|$)", text[start:end])
    none = "".join(f"\n                  - required: [{choice}]" for choice in choices)
    text = text[:end] + f"\n            - title: none\n              not:\n                anyOf:{none}" + text[end:]
assert versions and streams, "the generator has changed: look at what this mends"
path.write_text(text)
