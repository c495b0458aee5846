"""Who is who and where: identifiers and the like, with the one pattern each must match wherever it is decoded.

The patterns keep identifiers safe as MQTT topic levels, metric labels and file names.
"""

import re
from typing import Annotated

from msgspec import Meta

_SCHOOL = r"[A-Za-z0-9-]{1,32}"
_CLASSROOM = r"[A-Za-z0-9-]{1,32}"

OfficeId = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z", examples=["511402"], description="lower-case letters, digits, hyphen"),
]
"""The managing unit: a county bureau such as ``511402``, or ``tfxq``, ``szs``."""

SchoolId = Annotated[
    str, Meta(pattern=rf"^{_SCHOOL}\Z", examples=["parent-01"], description="letters, digits, hyphen; at most 32")
]
"""The 10-digit school code, or ``parent-01`` for a teaching point."""

ClassroomId = Annotated[
    str, Meta(pattern=rf"^{_CLASSROOM}\Z", examples=["b2-301"], description="letters, digits, hyphen; at most 32")
]
"""The room (``b2-301``), never the class that sits in it this year."""

ClassroomRef = Annotated[
    str,
    Meta(
        pattern=rf"^({_SCHOOL}/)?{_CLASSROOM}\Z",
        examples=["b2-301"],
        description="or school/room: letters, digits, hyphen",
    ),
]
"""A room as an agent names it: ``b2-301``, or ``school/b2-301`` on a gateway of several schools."""

GatewayId = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{2,39}\Z",
        examples=["gw-dongpo-01"],
        description="lower-case letters, digits, hyphen; 3 to 40",
    ),
]
"""Also the MQTT user name and client id."""

TargetName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z",
        examples=["smartedu.page"],
        description="letters, digits, dot, hyphen, underscore; at most 64",
    ),
]
"""The ``name:`` of a target in agent.yml, or the id of a platform."""

Host = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        pattern=r"^[A-Za-z0-9._:%-]+\Z",
        examples=["10.1.2.3"],
        description="or an IPv6 address or a name, without port",
    ),
]

ClockTime = Annotated[
    str,
    Meta(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z|^24:00\Z",
        examples=["08:05"],
        description="two digits each, up to 24:00",
    ),
]
"""Local time of day."""

DeviceAddress = Annotated[
    str,
    Meta(
        pattern=(
            r"^(([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|([0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}"
            r"|([0-9A-Fa-f]{4}[.-]){2}[0-9A-Fa-f]{4}|[0-9]{1,3}(\.[0-9]{1,3}){3})\Z"
        ),
        examples=["a4:5d:36:00:11:22", "a45d-3600-1122", "10.51.2.31"],
        description="a MAC in a usual notation, or an IPv4 address",
    ),
]
"""A device as an administrator finds it on its label or in its menu."""

SpoolId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
"""128 random bits, new with each spool, so that a re-imaged gateway does not look like a duplicate."""

BootId = Annotated[str, Meta(pattern=r"^[0-9a-f-]{1,36}\Z")]

_MAC_RE = re.compile(r"[0-9a-f]{1,2}([:-][0-9a-f]{1,2}){5}|([0-9a-f]{4}[.-]){2}[0-9a-f]{4}")
_GATEWAY_RE = re.compile(r"[a-z0-9][a-z0-9-]{2,39}")


def is_gateway_id(text: str) -> bool:
    """Say whether ``text`` may stand in a topic as a gateway."""
    return _GATEWAY_RE.fullmatch(text) is not None


def split_classroom_ref(ref: str) -> tuple[str | None, str]:
    """Split ``school/room`` into its parts; the school is None where the agent left it out."""
    school, slash, room = ref.rpartition("/")
    return (school if slash else None), room


def canonical_mac(text: str) -> str | None:
    """A MAC address in any usual notation, in lower case with colons; None for anything else.

    Octets between colons may lack their first zero: so some agents print them.
    """
    lower = text.strip().lower()
    if not _MAC_RE.fullmatch(lower):
        return None
    parts = re.split("[:.-]", lower)
    digits = "".join(part.zfill(2 if len(parts) == 6 else 4) for part in parts)
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))
