"""The plain identity fields of a chat user."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import NULL_VALUE, Struct, Value

from countersign.errors import invalid
from countersign.v1 import countersign_pb2 as pb

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Identity:
    """An empty text is a field that is not there. `attributes` are further fields as in JSON; of a token, the remaining
    claims."""

    id: str = ""
    email: str = ""
    name: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def to_wire(self) -> pb.Identity:
        attributes = _struct(self.attributes, "attributes") if self.attributes else None
        return message(pb.Identity, id=self.id, email=self.email, name=self.name, attributes=attributes)

    @classmethod
    def from_wire(cls, wire: pb.Identity) -> "Identity":
        attributes = _whole(json_format.MessageToDict(wire.attributes))
        return cls(id=wire.id, email=wire.email, name=wire.name, attributes=attributes)


def message(kind: type[M], **fields: Any) -> M:
    """A message of the wire. Raises CountersignError that names the field which is not what it must be."""
    try:
        return kind(**fields)
    except (TypeError, ValueError):
        pass
    for name, value in fields.items():
        try:
            kind(**{name: value})
        except (TypeError, ValueError):
            raise invalid(name, "is not of the type that it must be, or not text that UTF-8 can carry") from None
    raise invalid(kind.DESCRIPTOR.name, "cannot be made of these fields")


def _struct(fields: Any, path: str) -> Struct:
    if not isinstance(fields, Mapping):
        raise invalid(path, "is no mapping of names to values")
    return Struct(fields={_name(name, path): _value(value, f"{path}.{name}") for name, value in fields.items()})


def _name(name: Any, path: str) -> str:
    if isinstance(name, str):
        return name
    raise invalid(path, "has a name that is not text")


def _value(value: Any, path: str) -> Value:
    match value:
        case None:
            return Value(null_value=NULL_VALUE)
        case bool():
            return Value(bool_value=value)
        case int() | float():
            return Value(number_value=_number(value, path))
        case str():
            return message(Value, string_value=value)
        case list() | tuple():
            values = [_value(each, f"{path}[{place}]") for place, each in enumerate(value)]
            wire = Value()
            wire.list_value.values.extend(values)
            return wire
        case Mapping():
            return Value(struct_value=_struct(value, path))
    raise invalid(path, "is nothing that JSON has")


def _whole(value: Any) -> Any:
    """The wire has only doubles; a whole number is an int again, as JSON would have it."""
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _number(value: int | float, path: str) -> float:
    """The wire has doubles, and a claim must not be signed with another number than the caller's."""
    try:
        number = float(value)
    except OverflowError:
        number = float("nan")
    if number != value or number - number != 0:
        raise invalid(path, "is a number that a double cannot hold: send it as text")
    return number
