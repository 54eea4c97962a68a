"""The tables of README.md, made from the rows of the vendors and from what is installed."""

import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from changes import changes_of
from webhook_vendor import Share, Verdicts, WebhookVendor
from webhooks import WEBHOOK_VENDORS

HERE = Path(__file__).parent
BEGIN, END = "<!-- tables: begin -->\n", "<!-- tables: end -->\n"

MADE_BY_SIGN = "made by Sign"


def tables() -> str:
    return f"{judges()}\n{differences()}\n{agreements()}"


def in_readme() -> str:
    """The tables as they stand in README.md."""
    text = readme().read_text()
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)]


def write() -> None:
    text = readme().read_text()
    readme().write_text(text[: text.index(BEGIN) + len(BEGIN)] + tables() + text[text.index(END) :])


def readme() -> Path:
    return HERE / "README.md"


def judges() -> str:
    heading = "### Judges\n\n| row | scheme | judge | signs |\n|---|---|---|---|\n"
    return heading + "".join(
        f"| {vendor.name} | {vendor.scheme} | {judge(vendor)} | {vendor.signer} |\n" for vendor in WEBHOOK_VENDORS
    )


def judge(vendor: WebhookVendor) -> str:
    return f"{vendor.library} {installed(vendor.library)}" if vendor.library else "formula"


def installed(library: str) -> str:
    registry, name = library.split(" ")
    if registry == "PyPI":
        return version(name)
    return json.loads((HERE / "package.json").read_text())["dependencies"][name]


def differences() -> str:
    """Where the service and a library do not agree."""
    heading = "### Differences\n\n| change | accepted by | rows | why |\n|---|---|---|---|\n"
    rows = grouped((vendor, change, it) for vendor, change, it in verdicts() if it.service != it.library)
    return heading + "".join(
        f"| {change} | {accepted_by(it)} | {', '.join(vendors)} | {it.why} |\n" for (change, it), vendors in rows
    )


def agreements() -> str:
    """Where both accept what was changed."""
    heading = "### Accepted by both\n\n| change | rows | why |\n|---|---|---|\n"
    both = Share.ALL, Share.ALL
    rows = grouped((vendor, change, it) for vendor, change, it in verdicts() if (it.service, it.library) == both)
    return heading + "".join(f"| {change} | {', '.join(vendors)} | {it.why} |\n" for (change, it), vendors in rows)


def verdicts() -> Iterable[tuple[WebhookVendor, str, Verdicts]]:
    """What is expected of every change that a library judges."""
    for vendor in WEBHOOK_VENDORS:
        if not vendor.library:
            continue
        if vendor.made_by_sign.why:
            yield vendor, MADE_BY_SIGN, vendor.made_by_sign
        for change in changes_of(vendor):
            yield vendor, change.name, vendor.expected(change)


def grouped(verdicts: Iterable[tuple[WebhookVendor, str, Verdicts]]) -> list[tuple[tuple[str, Verdicts], list[str]]]:
    """The rows with the same verdict on the same change, together."""
    groups: dict[tuple[str, Verdicts], list[str]] = {}
    for vendor, change, it in verdicts:
        groups.setdefault((change, it), []).append(vendor.name)
    return sorted(groups.items(), key=lambda group: group[0][0])


def accepted_by(it: Verdicts) -> str:
    shares = [("service", it.service), ("library", it.library)]
    return " and ".join(
        f"{side}{' at times' if share is Share.SOME else ''}" for side, share in shares if share is not Share.NONE
    )
