"""Writes countersign/enums.py from a descriptor set with source info: the enums of verdicts, without their prefix."""

import re
import sys

from google.protobuf.descriptor_pb2 import FileDescriptorSet

# The enums that verdicts, proofs and explanations hold. True: a number of a newer service only explains.
ENUMS = {
    "Decision": False,
    "Trust": False,
    "Shield": False,
    "Reason": True,
    "ProvenPart": False,
    "Replay": False,
    "VersionState": False,
    "CheckOutcome": False,
    "CauseCode": True,
}
HEAD = '''"""The enums of the wire as texts. Written by ../generate from the proto."""

from enum import Enum


class WireEnum(str, Enum):
    """A text that is its name without the prefix, with its number on the wire."""

    number: int

    def __new__(cls, text: str, number: int) -> "WireEnum":
        member = str.__new__(cls, text)
        member._value_ = text
        member.number = number
        return member

    def __str__(self) -> str:
        return str(self.value)
'''

files = FileDescriptorSet.FromString(sys.stdin.buffer.read()).file
out = [HEAD]
for file in files:
    comments = {tuple(it.path): " ".join(it.leading_comments.split()) for it in file.source_code_info.location}
    for place, enum in enumerate(file.enum_type):
        if file.package != "countersign.v1" or enum.name not in ENUMS:
            continue
        prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper() + "_"
        out.append(f'\nclass {enum.name}(WireEnum):\n    """{comments[5, place]}"""')
        for index, value in enumerate(enum.value):
            if value.number:
                name = value.name.removeprefix(prefix)
                out.append(f'\n    {name} = "{name}", {value.number}\n    """{comments[5, place, 2, index]}"""')
        if ENUMS[enum.name]:
            out.append('\n    UNRECOGNIZED = "UNRECOGNIZED", -1\n    """One that a newer service gave."""')
        out.append("")
sys.stdout.write("\n".join(out).rstrip("\n") + "\n")
