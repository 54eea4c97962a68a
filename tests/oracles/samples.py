"""Input as it comes in the field, from seeded random numbers."""

import functools
import gzip
import json
import string
from collections.abc import Callable
from random import Random
from urllib.parse import quote, quote_plus, urlencode

WORDS = [
    "paid",
    "Grüße",
    "naïve café",
    "王小明",
    "مرحبا",
    "👩‍👩‍👧",
    "🦀",
    "e\u0301",
    "O'Neil <o@x.io>",
    'a"b\\c',
    "\u2028",
    "</script>",
]
NAMES = ["Zoë Müller", "王小明", "Ada 🦀", "O'Neil", "e\u0301ric", "Анна", "Ada Lovelace", "a%20b+c&d=e"]
DOMAINS = ["example.com", "Example.ORG", "bücher.example", "mail.example.co.uk"]
ALPHANUMERIC = string.ascii_letters + string.digits


def letters(rng: Random, length: int) -> str:
    return "".join(rng.choices(ALPHANUMERIC, k=length))


def value(rng: Random, depth: int = 3, fractions: bool = True):
    """A random JSON value."""
    kinds = [
        lambda: rng.choice(WORDS),
        lambda: rng.randint(-(2**53), 2**53),
        lambda: rng.choice([True, False, None]),
    ]
    if fractions:
        kinds.append(lambda: rng.random() * 1e6)
    if depth:
        inner = functools.partial(value, rng, depth - 1, fractions)
        kinds.append(lambda: [inner() for _ in range(rng.randint(0, 4))])
        kinds.append(lambda: {f"{rng.choice(WORDS)}{i}": inner() for i in range(rng.randint(0, 4))})
    return rng.choice(kinds)()


def event(rng: Random, fractions: bool = True, **style) -> str:
    data = [value(rng, fractions=fractions) for _ in range(3)]
    return json.dumps({"id": f"evt_{letters(rng, 12)}", "event": "x", "data": data}, **style)


Body = Callable[[Random], bytes]


def text(make: Callable[[Random], str]) -> Body:
    return lambda rng: make(rng).encode()


COMPACT = text(lambda rng: event(rng, separators=(",", ":"), ensure_ascii=False))
ESCAPED = text(lambda rng: event(rng, separators=(",", ":")))
SPACED = text(lambda rng: event(rng, ensure_ascii=False))
INDENTED = text(lambda rng: event(rng, indent=2, ensure_ascii=False).replace("\n", "\r\n") + "\r\n")
TABBED = text(lambda rng: event(rng, indent="\t", sort_keys=True) + "\n")
LONG = text(lambda rng: event(rng, ensure_ascii=False, indent=40))

# The same without numbers that JavaScript prints in another way than Python.
PLAIN_COMPACT = text(lambda rng: event(rng, fractions=False, separators=(",", ":"), ensure_ascii=False))
PLAIN_SPACED = text(lambda rng: event(rng, fractions=False, ensure_ascii=False))
PLAIN_INDENTED = text(lambda rng: event(rng, fractions=False, indent=2, ensure_ascii=False) + "\n")

# JSON, any text, and any bytes.
JSON: tuple[Body, ...] = (COMPACT, ESCAPED, SPACED, INDENTED, TABBED, LONG)
NOT_EMPTY: tuple[Body, ...] = JSON + (
    text(lambda rng: "\ufeff" + event(rng)),
    text(lambda rng: form(rng)),
    text(lambda rng: "".join(rng.choices(WORDS + ["\r\n", "\n", " ", "\0", "."], k=40))),
    text(lambda rng: rng.choice(WORDS) * rng.choice([30, 300, 3000])),
)
TEXT: tuple[Body, ...] = (*NOT_EMPTY, lambda rng: b"")
BINARY: tuple[Body, ...] = (
    lambda rng: rng.randbytes(rng.randint(1, 4096)),
    lambda rng: b"\x1f\x8a" + rng.randbytes(64),
)
ANYTHING: tuple[Body, ...] = TEXT + BINARY


def body(rng: Random, number: int, kinds: tuple[Body, ...]) -> bytes:
    """The body of one delivery. Each kind comes up in turn."""
    return kinds[number % len(kinds)](rng)


def form(rng: Random) -> str:
    """A form with odd names and values: repeated, empty, not ASCII."""
    names = [letters(rng, rng.randint(1, 8)) for _ in range(rng.randint(1, 6))] + ["Ärger", "a[b]", "empty"]
    fields = [(rng.choice(names), rng.choice([*WORDS, *NAMES, "", letters(rng, 30)])) for _ in range(8)]
    return urlencode(fields, quote_via=rng.choice([quote, quote_plus]))


def url(rng: Random) -> str:
    """The URL of an endpoint."""
    host = rng.choice(["hooks.example.com", "xn--bcher-kva.example", "Example.ORG"])
    path = rng.choice(["/webhooks", "/a%20b/c", "/hooks/%E7%8E%8B/", f"/{letters(rng, 8)}/{letters(rng, 8)}"])
    query = rng.choice(["", "", f"?token={letters(rng, 8)}", f"?a=1&b=%F0%9F%A6%80+{letters(rng, 3)}&c=&a=2"])
    return f"https://{host}{path}{query}"


def other_url(url: str) -> str:
    """The same URL but for one more character in its path."""
    path, mark, query = url.partition("?")
    return f"{path}x{mark}{query}"


def flip_byte(rng: Random, data: bytes) -> bytes:
    """The same bytes but for one bit; an empty body gets one byte."""
    if not data:
        return b"\0"
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def flip_letter(rng: Random, text: str) -> str:
    """The same text but for one letter or digit, which stays one."""
    at = rng.choice([place for place, letter in enumerate(text) if letter in ALPHANUMERIC])
    return text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :]


def flip_character(rng: Random, text: str) -> str:
    """The same text but for one character, which stays printable."""
    at = rng.randrange(len(text))
    return text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :]


def person(rng: Random) -> dict[str, str]:
    """A chat user: id, email and name."""
    ids = [letters(rng, 20), str(rng.randint(1, 10**12)), rng.choice(NAMES), f"{rng.choice(NAMES)}|{letters(rng, 6)}"]
    return {
        "id": rng.choice(ids),
        "email": f"{rng.choice(['ada', 'Ada.Lovelace', 'zoë'])}+{letters(rng, 6)}@{rng.choice(DOMAINS)}",
        "name": rng.choice(NAMES),
    }


def uncompressed(body: bytes) -> bytes:
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


def flip_compressed(rng: Random, body: bytes) -> bytes:
    """The same but for one bit of what was compressed: the frame around it has bits that mean nothing."""
    return gzip.compress(flip_byte(rng, gzip.decompress(body)))
