"""What install.sh says of an upgrade by its exit code, in the words of a report."""

from typing import Final, Literal, NamedTuple


class Outcome(NamedTuple):
    state: Literal["done", "refused", "rolled_back", "failed"]
    reason: str | None = None


OF_EXIT_CODE: Final[dict[int, Outcome]] = {
    0: Outcome("done"),
    6: Outcome("refused", "no_python"),
    7: Outcome("refused", "no_space"),
    8: Outcome("refused", "clock"),
    9: Outcome("refused", "unfit"),
    10: Outcome("refused", "damaged"),
    11: Outcome("refused", "unsigned"),
    14: Outcome("rolled_back", "unhealthy"),
    15: Outcome("failed", "unhealthy"),
    16: Outcome("refused", "older"),
}
"""docs/install.md lists them."""
OTHER: Final = Outcome("failed", "other")

OWN_REASONS: Final = frozenset({"quiet", "unreachable", "no_address", "too_large", "no_installer", "no_space"})
"""What the agent says by itself."""
REASONS: Final = frozenset(
    {outcome.reason for outcome in (*OF_EXIT_CODE.values(), OTHER) if outcome.reason is not None} | OWN_REASONS
)


def of_exit_code(code: int) -> Outcome:
    return OF_EXIT_CODE.get(code, OTHER)
