"""A delivery: what a vendor signs, what arrives, and the change of one text in it."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

Header = tuple[str, str]
# As an HTTP framework hands them on.
Headers = dict[str, str]


def joined(headers: tuple[Header, ...]) -> Headers:
    """Names in lower case, repeated values joined by a comma."""
    joined: Headers = {}
    for name, value in headers:
        name = name.lower()
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What is to be signed."""

    body: bytes
    at_ms: int
    method: str = "POST"
    url: str = ""
    # Further headers, which the vendor sends along and may sign.
    headers: tuple[Header, ...] = ()
    # 50 letters and digits for whatever the vendor makes up: an id, a nonce.
    noise: str = ""

    def joined(self) -> Headers:
        return joined(self.headers)

    @property
    def at(self) -> int:
        return self.at_ms // 1000


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A delivery as it arrives, with the texts in it that the signature is about."""

    headers: tuple[Header, ...]
    body: bytes
    method: str = "POST"
    url: str = ""
    signature: str = ""
    # A second one in the same header, of a vendor that always sends two.
    other_signature: str = ""
    stamp: str = ""
    id: str = ""

    def joined(self) -> Headers:
        return joined(self.headers)

    def signature_headers(self) -> tuple[Header, ...]:
        return tuple((name, value) for name, value in self.headers if self.signature in value)

    def with_text(self, text: str, other: str) -> "Delivery":
        """The same with one text exchanged wherever it stands; body and URL hold it only at some vendors."""
        return dataclasses.replace(
            self,
            headers=tuple((name, value.replace(text, other)) for name, value in self.headers),
            url=self.url.replace(text, other),
            body=self.body.replace(text.encode(), other.encode()),
        )

    def with_signatures(self, change: Callable[[str], str]) -> "Delivery":
        """The same with each signature changed."""
        changed = self.with_text(self.signature, change(self.signature))
        if not self.other_signature:
            return changed
        return changed.with_text(self.other_signature, change(self.other_signature))

    def with_headers(self, headers: tuple[Header, ...]) -> "Delivery":
        return dataclasses.replace(self, headers=headers)

    def with_body(self, body: bytes) -> "Delivery":
        return dataclasses.replace(self, body=body)

    def with_url(self, url: str) -> "Delivery":
        return dataclasses.replace(self, url=url)

    def with_method(self, method: str) -> "Delivery":
        return dataclasses.replace(self, method=method)
