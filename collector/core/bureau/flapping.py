"""What opens and closes again and again (时断时续): known by when it opened lately.

A gateway behind a bad plug would be told dozens of times a day else, and a group that is told so much reads nothing any
more.
"""

from collections.abc import Mapping

from collector.core.events import AlertChange
from collector.core.policy import Policy


class Openings:
    """One step's working copy: what is too old is forgotten once, however many alerts open in it."""

    def __init__(self, openings: Mapping[str, tuple[float, ...]], now: float, policy: Policy) -> None:
        self._kept, self._now, self._policy = openings, now, policy
        self._own: dict[str, tuple[float, ...]] | None = None

    def kept(self) -> Mapping[str, tuple[float, ...]]:
        return self._kept if self._own is None else self._own

    def note(self, change: AlertChange) -> bool:
        """Count an opening; say whether that makes it one that comes and goes."""
        own = self._writable()
        times = (*own.pop(_key(change), ()), self._now)[-self._policy.flapping_openings :]
        own[_key(change)] = times
        return len(times) == self._policy.flapping_openings

    def forget(self, change: AlertChange) -> None:
        """That a room or a school was listed anew is no coming and going."""
        if _key(change) in self.kept():
            del self._writable()[_key(change)]

    def _writable(self) -> dict[str, tuple[float, ...]]:
        if self._own is None:
            lately = {
                key: tuple(at for at in times if 0 <= self._now - at < self._policy.flapping_window_s)
                for key, times in self._kept.items()
            }
            self._own = {key: times for key, times in lately.items() if times}
        return self._own


def _key(change: AlertChange) -> str:
    return f"{change.school}/{change.subject.label}/{change.cause}"
