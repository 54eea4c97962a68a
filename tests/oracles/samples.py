"""Input as it comes in the field, from seeded random numbers."""

import json
import string
from random import Random

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


def value(rng: Random, depth: int = 3):
    """A random JSON value."""
    kinds = [
        lambda: rng.choice(WORDS),
        lambda: rng.randint(-(2**53), 2**53),
        lambda: rng.random() * 1e6,
        lambda: rng.choice([True, False, None]),
    ]
    if depth:
        kinds.append(lambda: [value(rng, depth - 1) for _ in range(rng.randint(0, 4))])
        kinds.append(lambda: {f"{rng.choice(WORDS)}{i}": value(rng, depth - 1) for i in range(rng.randint(0, 4))})
    return rng.choice(kinds)()


def event(rng: Random, **style) -> str:
    return json.dumps({"id": f"evt_{letters(rng, 12)}", "data": [value(rng) for _ in range(3)]}, **style)


TEXT_BODIES = [
    lambda rng: event(rng, separators=(",", ":")),
    lambda rng: event(rng, ensure_ascii=False),
    lambda rng: event(rng, indent=2, ensure_ascii=False).replace("\n", "\r\n") + "\r\n",
    lambda rng: "\ufeff" + event(rng, indent="\t", sort_keys=True) + "\n",
    lambda rng: f"token={letters(rng, 24)}&text=%F0%9F%A6%80+{letters(rng, 8)}&empty=",
    lambda rng: "".join(rng.choices(WORDS + ["\r\n", "\n", " ", "\0", "."], k=40)),
    lambda rng: event(rng, ensure_ascii=False) * 200,
]
BINARY_BODIES = [lambda rng: rng.randbytes(rng.randint(1, 4096)), lambda rng: b"\x1f\x8b" + rng.randbytes(64)]


def body(rng: Random, seed: int, *, binary: bool, empty: bool) -> bytes:
    """The body of one delivery. Each kind comes up in turn; the library decides which kinds there are."""
    kinds = [lambda rng, text=text: text(rng).encode() for text in TEXT_BODIES]
    if binary:
        kinds += BINARY_BODIES
    if empty:
        kinds.append(lambda rng: b"")
    return kinds[seed % len(kinds)](rng)


def flip_byte(rng: Random, data: bytes) -> bytes:
    """The same bytes but for one bit; an empty body gets one byte."""
    if not data:
        return b"\0"
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


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
