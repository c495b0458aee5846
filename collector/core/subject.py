"""What an alert can be about. A struct, so that nobody ever takes a string apart to find out."""

from typing import Literal

from msgspec import Struct

SubjectKind = Literal["gateway", "uplink", "exit", "switch", "segment", "classroom", "platform"]


class Subject(Struct, frozen=True, gc=False):
    """``gateway`` is empty where several gateways can see the same thing: an exit, a classroom.

    ``name`` is the exit's, switch's, segment's, classroom's or platform's; empty for a gateway and its uplink.
    """

    kind: SubjectKind
    gateway: str = ""
    name: str = ""

    @property
    def label(self) -> str:
        """For people, logs and the API; never parsed."""
        return f"{self.kind}:{'/'.join(part for part in (self.gateway, self.name) if part)}"
