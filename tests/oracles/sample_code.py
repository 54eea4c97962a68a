"""The one call that vendors without a library print in their sample code."""

import hashlib
import hmac


def hex_hmac_sha256(key: bytes, signed: bytes) -> str:
    return hmac.new(key, signed, hashlib.sha256).hexdigest()
