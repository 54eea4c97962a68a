"""What a vendor's chat widget wants of a signed-in user, from widgets.json."""

import functools
import json
import re
from importlib import resources
from typing import Any

from countersign.errors import invalid
from countersign.identity import Identity
from countersign.verdict import Signed


def widget_fields(scheme: str, identity: Identity, proof: Signed | str) -> dict[str, Any]:
    """The fields for the page, ready for JSON; `proof` is what `sign` answered, or its text. A field that would be
    empty is left out.

    Raises CountersignError for a scheme whose widget is not known, or a proof that it does not take.
    """
    widgets = _widgets()
    if scheme not in widgets:
        raise invalid("scheme", f"has no widget; known are {', '.join(sorted(widgets))}")
    fields = widgets[scheme]["fields"]
    kind = "token" if "{token}" in json.dumps(fields) else "hash"
    text = proof if isinstance(proof, str) else getattr(proof, kind)
    if not text:
        raise invalid("proof", f"is empty, or no {kind}, which this widget takes: sign with a secret of its scheme")
    values = {"id": identity.id, "email": identity.email, "name": identity.name, kind: text}
    return _filled(fields, values)  # type: ignore[no-any-return]


@functools.cache
def _widgets() -> dict[str, Any]:
    text = resources.files("countersign").joinpath("widgets.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def _filled(shape: Any, values: dict[str, str]) -> Any:
    """What is empty is left out; of a list the place counts, so it is left out as a whole."""
    if isinstance(shape, str):
        return re.sub(r"\{(id|email|name|hash|token)\}", lambda found: values[found[1]], shape)
    if isinstance(shape, list):
        items = [_filled(each, values) for each in shape]
        return items if all(items) else []
    members = {name: _filled(each, values) for name, each in shape.items()}
    return {name: value for name, value in members.items() if value}
