#!/usr/bin/env python3
"""Writes the tables of this folder: convert.py WYCHEPROOF COOKBOOK, both clones at the commits of README.md."""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
WYCHEPROOF, COOKBOOK = map(pathlib.Path, sys.argv[1:3])

# File: the fields of a test that matter, those of its group first.
PRIMITIVES = {
    "hmac_sha1": ["key", "msg", "tag"],
    "hmac_sha256": ["key", "msg", "tag"],
    "hmac_sha384": ["key", "msg", "tag"],
    "hmac_sha512": ["key", "msg", "tag"],
    "hkdf_sha256": ["ikm", "salt", "info", "size", "okm"],
    "xchacha20_poly1305": ["key", "iv", "aad", "msg", "ct", "tag"],
    "ed25519": ["pk", "msg", "sig"],
    "ecdsa_secp256r1_sha256": ["publicKeyDer", "msg", "sig"],
    "ecdsa_secp256r1_sha256_p1363": ["publicKeyDer", "msg", "sig"],
}


def wycheproof(name):
    return json.loads((WYCHEPROOF / "testvectors_v1" / f"{name}_test.json").read_text())["testGroups"]


def write(name, columns, rows):
    """A field is never empty, so that a row can be split: `-` is empty, `.` is the field of the row above."""
    lines, above = [f"# {' '.join(columns)}"], [None] * len(columns)
    for row in rows:
        fields = [str(field) or "-" for field in row]
        lines.append(" ".join("." if old == new and len(new) > 8 else new for old, new in zip(above, fields)))
        above = fields
    (HERE / f"{name}.txt").write_text("\n".join(lines) + "\n")


def primitives():
    for name, fields in PRIMITIVES.items():
        rows = []
        for group in wycheproof(name):
            key = group.get("publicKey", {})
            known = group | {"pk": key.get("pk") if isinstance(key, dict) else None}
            rows += [
                [test["tcId"], test["result"]] + [(known | test)[field] for field in fields] for test in group["tests"]
            ]
        write(name, ["id", "result", *fields], rows)


def keys(group):
    """The keys as `kid:alg:k`, if all of them are MAC keys."""
    private = group.get("private", {})
    jwks = private.get("keys", [private])
    is_mac = all(jwk.get("kty") == "oct" and jwk.get("alg", "").startswith("HS") for jwk in jwks)
    return ",".join(f"{jwk['kid']}:{jwk['alg']}:{jwk['k']}" for jwk in jwks) if is_mac else None


def text(jws):
    return jws if isinstance(jws, str) else json.dumps(jws, separators=(",", ":"))


def wycheproof_tokens():
    for name in ["json_web_signature", "json_web_key", "json_web_crypto"]:
        for group in wycheproof(name):
            if keys(group):
                for test in group["tests"]:
                    if "jws" in test:
                        yield [name, test["tcId"], test["result"], keys(group), text(test["jws"])]


def cookbook_tokens():
    for path in sorted([*COOKBOOK.glob("jws/4_[4-8].*.json"), *COOKBOOK.glob("rfc7797/*.json")]):
        case = json.loads(path.read_text())
        jwks = case["input"]["key"]
        jwks = jwks if isinstance(jwks, list) else [jwks]
        key = ",".join(f"{jwk.get('kid', '-')}:HS256:{jwk['k']}" for jwk in jwks if jwk["kty"] == "oct")
        name = f"{path.parent.name}/{path.name.split('.hmac')[0].split('.json')[0]}"
        for form, output in case["output"].items():
            result = "valid" if name == "jws/4_4" and form == "compact" else "invalid"
            yield [name.replace(" ", "_"), form, result, key, text(output)]


primitives()
write("jose", ["source", "id", "result", "kid:alg:k", "token"], [*wycheproof_tokens(), *cookbook_tokens()])
