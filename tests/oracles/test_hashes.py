"""User hashes of the vendors' sample code are verified, and Sign makes the same hashes."""

from countersign.v1 import countersign_pb2 as pb
from countersign.v1 import scheme_pb2, secret_pb2

import samples
from hashes import CONVERSATION_IDS, HASH_VENDORS, HashVendor, hex_keyed, text_keyed
from vendor import each, every_seed
from verdicts import assert_identity_refused, assert_identity_verified

MISMATCH = pb.REASON_SIGNATURE_MISMATCH

every_vendor = each(HASH_VENDORS)
every_vendor_with_hex_keys = each(vendor for vendor in HASH_VENDORS if vendor.hash is hex_keyed)


def user(vendor: HashVendor, seed: int) -> dict[str, str]:
    """The user of a seed, with the fields that the host sends."""
    person = samples.person(vendor.rng(seed))
    return {name: person[name] for name in vendor.sends}


def verify(client, secret: str, claimed: dict[str, str], hash: str) -> pb.VerifyResponse:
    return client.verify(pb.VerifyRequest(secret=secret, claimed=pb.Identity(**claimed), hash=hash))


@every_vendor
@every_seed
def test_a_hash_of_the_vendors_sample_code_is_verified_for_the_fields_it_covers(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    claimed = user(vendor, seed)
    proven = vendor.proven(claimed)

    answer = verify(client, secret.name, claimed, vendor.hash_of(secret.key, claimed))

    assert_identity_verified(answer)
    assert answer.verified == pb.Identity(**proven)
    assert answer.claimed == pb.Identity(**{name: claimed[name] for name in claimed if name not in proven})


@every_vendor
@every_seed
def test_sign_makes_the_hash_that_the_vendors_sample_code_makes(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    identity = user(vendor, seed)

    answer = client.sign(pb.SignRequest(secret=secret.name, identity=pb.Identity(**identity)))

    assert bytes.fromhex(answer.hash) == bytes.fromhex(vendor.hash_of(secret.key, identity))
    assert answer.hash == answer.hash.lower()


@every_vendor
@every_seed
def test_a_flipped_character_of_a_proven_field_is_a_signature_mismatch(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    claimed = user(vendor, seed)
    hash = vendor.hash_of(secret.key, claimed)
    for name, text in vendor.proven(claimed).items():
        flipped = claimed | {name: samples.flip_character(vendor.rng(f"flip-{seed}"), text)}

        assert_identity_refused(verify(client, secret.name, flipped, hash), MISMATCH)


@every_vendor
@every_seed
def test_a_hash_under_another_secret_is_a_signature_mismatch(client, secrets, vendor, seed):
    claimed = user(vendor, seed)
    hash = vendor.hash_of(secrets.of(vendor).key, claimed)

    assert_identity_refused(verify(client, secrets.of(vendor, 2).name, claimed, hash), MISMATCH)


@every_vendor_with_hex_keys
@every_seed
def test_a_hash_under_the_text_of_a_hex_key_is_a_signature_mismatch(client, secrets, vendor, seed):
    secret = secrets.of(vendor)
    claimed = user(vendor, seed)
    hash = text_keyed(secret.key, claimed["email"])

    assert_identity_refused(verify(client, secret.name, claimed, hash), MISMATCH)


@every_seed
def test_a_conversation_id_is_the_keyed_hash_of_the_guessable_id(client, secrets, seed):
    secret = secrets.of(CONVERSATION_IDS)
    guessable = f"order-{samples.person(CONVERSATION_IDS.rng(seed))['id']}"

    answer = client.sign(pb.SignRequest(secret=secret.name, resource_id=guessable))

    assert answer.resource_id == CONVERSATION_IDS.hash(secret.key, guessable)


def test_every_hash_scheme_has_a_row(client):
    schemes = client.list_schemes(scheme_pb2.ListSchemesRequest()).schemes
    built_in = {it.id for it in schemes if it.purpose == secret_pb2.PURPOSE_IDENTITY_HASH and not it.custom}

    assert {vendor.scheme for vendor in HASH_VENDORS} == built_in
