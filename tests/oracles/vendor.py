"""What every row of the vendor tables has: a name, a scheme, and keys in the form that the vendor shows.

And how tests run over the tables: each vendor, with the same random input in every run.
"""

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

import pytest
from countersign.v1 import secret_pb2

from samples import letters

# Only a valid proof is allowed.
REQUIRED = {"mode": secret_pb2.MODE_REQUIRED}

every_seed = pytest.mark.parametrize("seed", range(25))


def text_key(prefix: str = "", length: int = 40) -> Callable[[Random], str]:
    """Keys of letters and digits that are used as text, prefix included."""
    return lambda rng: prefix + letters(rng, length)


def hex_key(length: int) -> Callable[[Random], str]:
    """Keys of `length` hex digits."""
    return lambda rng: rng.randbytes(length // 2).hex()


def base64_key(prefix: str) -> Callable[[Random], str]:
    """Keys of 32 bytes in base64 after a prefix."""
    return lambda rng: prefix + base64.b64encode(rng.randbytes(32)).decode()


class PublicKey(str):
    """A public key as the vendor shows it, with the private key that only the vendor has."""

    def __new__(cls, text: str, private: object = None) -> "PublicKey":
        key = super().__new__(cls, text)
        key.private = private
        return key


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """One vendor's way of making one kind of proof, and the library or sample code that knows it."""

    name: str
    scheme: str
    new_key: Callable[[Random], str]
    # Further fields of CreateSecretRequest.
    options: dict = field(default_factory=dict)

    def rng(self, use: object) -> Random:
        """The random numbers of one use of this vendor: the same in every run."""
        return Random(f"{self.name}/{use}")


def each(vendors: Iterable[Vendor]) -> pytest.MarkDecorator:
    """Runs a test for each of the vendors."""
    return pytest.mark.parametrize("vendor", list(vendors), ids=lambda vendor: vendor.name)
