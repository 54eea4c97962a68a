"""Tokens that PyJWT makes are verified, and tokens that Sign makes satisfy PyJWT."""

import time

import jwt
import pytest
from countersign.v1 import countersign_pb2 as pb
from countersign.v1 import scheme_pb2, secret_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict

import samples
from tokens import TOKEN_VENDORS, TokenVendor
from vendor import each, every_seed
from verdicts import assert_identity_refused, assert_identity_verified

HOUR_SECS = 3600

every_vendor = each(TOKEN_VENDORS)
every_vendor_with_optional_exp = each(vendor for vendor in TOKEN_VENDORS if vendor.exp_optional)
every_vendor_with_required_exp = each(vendor for vendor in TOKEN_VENDORS if not vendor.exp_optional)
every_vendor_with_fixed_claims = each(vendor for vendor in TOKEN_VENDORS if vendor.fixed)


def user(vendor: TokenVendor, seed: int) -> tuple[dict, dict]:
    """The user of a seed: the identity fields that the vendor takes, and further attributes."""
    rng = vendor.rng(seed)
    person = samples.person(rng)
    attributes = {"plan": rng.choice(samples.WORDS), "seats": rng.randint(1, 500), "trial": rng.choice([True, False])}
    return {name: person[name] for name in vendor.claim_of}, attributes if vendor.takes_attributes else {}


def claims(vendor: TokenVendor, seed: int, age: int = 0) -> dict:
    """The claims of a seed's user in a token of one hour that was made `age` seconds ago."""
    made = int(time.time()) - age
    return vendor.claims(*user(vendor, seed)) | {"iat": made, "exp": made + HOUR_SECS}


def verify(client, secret: str, token: str) -> pb.VerifyResponse:
    return client.verify(pb.VerifyRequest(secret=secret, token=token))


def assert_proves(answer: pb.VerifyResponse, identity: dict, attributes: dict) -> None:
    assert_identity_verified(answer)
    assert {name: getattr(answer.verified, name) for name in identity} == identity
    assert attributes.items() <= MessageToDict(answer.verified.attributes).items()


@every_vendor
@every_seed
def test_a_token_of_pyjwt_is_verified(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    made = claims(vendor, seed, age=60)

    answer = verify(client, secret.name, vendor.encode(secret.key, made))

    assert_proves(answer, *user(vendor, seed))
    assert answer.proof_expire_time.seconds == made["exp"]


@every_vendor_with_optional_exp
@every_seed
def test_a_token_without_times_is_verified_where_the_vendor_allows_it(client, secrets, vendor, seed):
    secret = secrets.of(vendor)

    answer = verify(client, secret.name, vendor.encode(secret.key, vendor.claims(*user(vendor, seed))))

    assert_proves(answer, *user(vendor, seed))
    assert not answer.HasField("proof_expire_time")


@every_vendor_with_required_exp
def test_a_token_without_exp_is_refused_where_the_vendor_wants_one(client, secrets, vendor):
    secret = secrets.of(vendor)

    answer = verify(client, secret.name, vendor.encode(secret.key, vendor.claims(*user(vendor, 0))))

    assert_identity_refused(answer, pb.REASON_CLAIM_MISSING)


@every_vendor
@every_seed
def test_pyjwt_accepts_what_sign_makes(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    identity, attributes = user(vendor, seed)

    answer = client.sign(
        pb.SignRequest(
            secret=secret.name, identity=pb.Identity(**identity, attributes=attributes), ttl=Duration(seconds=600)
        )
    )

    audience = vendor.fixed.get("aud")
    required = {"require": ["exp", "iat"]}
    made = jwt.decode(answer.token, secret.key, algorithms=["HS256"], audience=audience, options=required)
    assert vendor.claims(identity, attributes).items() <= made.items()
    assert made["exp"] - made["iat"] == 600
    assert answer.expire_time.seconds == made["exp"]
    header = jwt.get_unverified_header(answer.token)
    assert all(header.get(name) == value for name, value in vendor.header.items())
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(answer.token, secrets.of(vendor, 2).key, algorithms=["HS256"])


@every_vendor
@every_seed
def test_a_flipped_character_of_the_user_under_the_same_signature_is_a_signature_mismatch(
    client, secrets, vendor, seed
):
    secret = secrets.of(vendor)
    made = claims(vendor, seed)
    subject = vendor.claim_of["id"]
    flipped = made | {subject: samples.flip_character(vendor.rng(f"flip-{seed}"), made[subject])}
    signature = vendor.encode(secret.key, made).split(".")[2]
    signed_input = vendor.encode(secret.key, flipped).rsplit(".", 1)[0]

    answer = verify(client, secret.name, f"{signed_input}.{signature}")

    assert_identity_refused(answer, pb.REASON_SIGNATURE_MISMATCH)


@every_vendor
@every_seed
def test_a_token_under_another_secret_is_a_signature_mismatch(client, secrets, vendor, seed):
    token = vendor.encode(secrets.of(vendor).key, claims(vendor, seed))

    answer = verify(client, secrets.of(vendor, 2).name, token)

    assert_identity_refused(answer, pb.REASON_SIGNATURE_MISMATCH)


@every_vendor
@every_seed
def test_an_expired_token_is_expired(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    token = vendor.encode(secret.key, claims(vendor, seed, age=2 * HOUR_SECS))

    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(token, secret.key, algorithms=["HS256"])
    assert_identity_refused(verify(client, secret.name, token), pb.REASON_TOKEN_EXPIRED)


@every_vendor
@every_seed
def test_a_token_from_the_future_is_not_yet_valid(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    token = vendor.encode(secret.key, claims(vendor, seed, age=-HOUR_SECS))

    with pytest.raises(jwt.ImmatureSignatureError):
        jwt.decode(token, secret.key, algorithms=["HS256"])
    assert_identity_refused(verify(client, secret.name, token), pb.REASON_TOKEN_NOT_YET_VALID)


@every_vendor
@pytest.mark.parametrize("algorithm", ["HS384", "HS512", None])
def test_a_token_of_another_algorithm_is_refused(client, secrets, vendor, algorithm):
    secret = secrets.of(vendor)
    key = secret.key if algorithm else None

    token = jwt.encode(claims(vendor, 0), key, algorithm=algorithm, headers=vendor.header)

    assert_identity_refused(verify(client, secret.name, token), pb.REASON_TOKEN_ALGORITHM)


@every_vendor_with_fixed_claims
def test_a_token_for_something_else_is_refused(client, secrets, vendor):
    secret = secrets.of(vendor)
    for name, value in vendor.fixed.items():
        for other in [value + "2", value[:-1], value.swapcase()]:
            token = vendor.encode(secret.key, claims(vendor, 0) | {name: other})

            assert_identity_refused(verify(client, secret.name, token), pb.REASON_CLAIM_INVALID)


def test_every_token_scheme_has_a_row(client):
    schemes = client.list_schemes(scheme_pb2.ListSchemesRequest()).schemes
    built_in = {it.id for it in schemes if it.purpose == secret_pb2.PURPOSE_IDENTITY_TOKEN and not it.custom}

    assert {vendor.scheme for vendor in TOKEN_VENDORS} == built_in
