"""What a robot's own code means: wait, give up, or call somebody."""

from collections.abc import Mapping

from msgspec import Struct

from collector.notify.contract import Deferred, DeferredReason, Misconfigured, Refused, RefusedReason, SettingReason


class Later(Struct, frozen=True):
    """Passes by itself."""

    reason: DeferredReason
    retry_after_s: float


class Never(Struct, frozen=True):
    """It is this message."""

    reason: RefusedReason


class Mend(Struct, frozen=True):
    """It is a setting, here or at the robot."""

    reason: SettingReason


Meaning = Later | Never | Mend
UNKNOWN = Later("unknown_code", 300)
"""It may be about the message itself: the outbox ends such tries."""


def judge_code(code: int, said: str, meanings: Mapping[int, Meaning]) -> None:
    """Raise unless ``code`` is 0."""
    if code != 0:
        raise failure(code, said, meanings.get(code, UNKNOWN))


def failure(code: int, said: str, meaning: Meaning) -> Deferred | Refused:
    match meaning:
        case Later(reason, retry_after_s):
            return Deferred(reason, retry_after_s, code, said)
        case Never(reason):
            return Refused(reason, code, said)
        case Mend(setting):
            return Misconfigured(setting, code, said)
