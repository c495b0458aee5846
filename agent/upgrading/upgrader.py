"""Follows what the bureau wants: fetches its release, hands it to the installer, and says what became of it.

The agent may install nothing itself: it runs as a user of its own that can write its state and nothing else. It leaves
the bundle there with a request beside it; a unit of root's (``classready-upgrade.path``) waits for that, checks all of
it again on a copy, exchanges the release and goes back by itself where the new one does not get well.
"""

import asyncio
import contextlib
import functools
import secrets
import shutil
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from agent.clock import Reading
from agent.upgrading import kept
from agent.upgrading.bundle import RefusedError
from agent.upgrading.fetching import Fetching, NotNowError
from agent.upgrading.home import Home, result
from agent.upgrading.kept import FINAL, Kept, State
from agent.upgrading.source import Source
from classready.box import Upgrade
from classready.measuring import Release
from classready.report import Directives
from classready.tasks import asked_to_end

LOOK_S: Final = 2.0
"""While the installer is at work."""
AGAIN_S: Final = {"quiet": 60.0, "unreachable": 300.0, "no_space": 1_800.0, "no_address": 3_600.0}
"""After so long what could not be done now is tried once more."""
TAKEN_WITHIN_S: Final = 120.0
"""Nobody took the request: no installer waits for it here."""
INSTALLED_WITHIN_S: Final = 7_200.0
"""Then whatever was to become of it has become of it."""

_log = structlog.get_logger()


class Ways(Struct, frozen=True, kw_only=True):
    """How this box fetches. ``base`` None: its link has no address, so the release must name one."""

    base: str | None
    trust: Callable[[], ssl.SSLContext]
    timeout_s: float
    key_file: Path


def is_quiet(given: Directives | None, reading: Reading) -> bool:
    """Whether a lesson has the line now; where nobody knows the time of day, as long as the bureau has any."""
    if given is None:
        return True
    if reading.quality != "good":
        return bool(given.quiet)
    return any(start <= reading.wall_s < end for start, end in given.quiet)


class Upgrader:
    """``is_quiet``: whether a lesson has the line now. ``on_news`` is called when there is something to tell."""

    def __init__(self, home: Home, ways: Ways, state_dir: Path, is_quiet: Callable[[], bool]) -> None:
        self._home, self._ways, self._folder = home, ways, state_dir / kept.FOLDER
        self._is_quiet = is_quiet
        self.on_news: Callable[[], None] = lambda: None
        self._wanted: Release | None = None
        self._changed = asyncio.Event()
        self._bytes_per_s = 0.0
        self._kept = kept.load(self._folder)

    @property
    def release(self) -> str | None:
        """Which one runs here; None = not installed from a bundle."""
        return self._home.release

    @property
    def told(self) -> Upgrade | None:
        """What a report says of it."""
        known = self._kept
        if known is None:
            return None
        return Upgrade(version=known.version, asked_at=known.asked_at, state=known.state, reason=known.reason)

    def want(self, release: Release | None) -> None:
        """Have ``release`` from now on; None = what runs may stay."""
        if release != self._wanted:
            self._wanted = release
            self._changed.set()

    async def run(self, bytes_per_s: float) -> None:
        """Do what is to be done for it, until cancelled; no faster than ``bytes_per_s``."""
        if self._home.release is None:
            return
        self._bytes_per_s = bytes_per_s
        while not asked_to_end():
            self._changed.clear()
            try:
                wait_s = await self._step(self._home.release)
            except OSError as error:
                _log.warning("upgrade_not_kept", error=str(error))
                wait_s = AGAIN_S["no_space"]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    async def _step(self, present: str) -> float | None:
        """Do what can be done now; return after how long there may be more, None = when something else is wanted."""
        known = self._kept
        if known is not None and known.state == "installing":
            # also in the release that was asked for: it may yet be found not well, and the one before must know of it
            return self._look_for_result(known, present)
        wanted = self._wanted
        if wanted is None or wanted.version == present:
            self._rest(wanted)
            return None
        if known is None or (known.version, known.asked_at) != (wanted.version, wanted.asked_at):
            known = Kept(version=wanted.version, asked_at=wanted.asked_at, state="waiting")
        if known.state in FINAL:
            return None
        return await self._bring(known, wanted)

    async def _bring(self, known: Kept, wanted: Release) -> float | None:
        """Fetch it, as far as that goes now, and ask for it to be installed."""
        try:
            source = self._source(wanted)
        except ValueError as error:
            return self._later(known, NotNowError("no_address", str(error)))
        self._folder.mkdir(mode=0o700, exist_ok=True)
        fetching = Fetching(source, self._folder / kept.BUNDLE, self._ways.key_file, self._bytes_per_s, self._is_quiet)
        fetching.on_piece = functools.partial(self._tell, known, "fetching")
        run = asyncio.ensure_future(fetching.run(wanted.version))
        # a pause or an abort ends it in the midst; what was fetched stays
        waiting = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({run, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not run.done():
                return 0.0
            run.result()
        except NotNowError as error:
            return self._later(known, error)
        except RefusedError as error:
            _log.error("upgrade_refused", version=known.version, reason=error.reason, detail=str(error))
            self._end(known, "refused", error.reason)
            return None
        finally:
            run.cancel()
            waiting.cancel()
            source.close()
        self._ask(known)
        return LOOK_S

    def _source(self, wanted: Release) -> Source:
        """Raise ValueError where there is no address that may be used."""
        ways = self._ways
        base = f"{ways.base}/install/release/{wanted.version}" if ways.base else wanted.url
        if base is None:
            raise ValueError("the link has no address, and the release names none")
        if not (ways.base or base.startswith("https://")):
            raise ValueError(f"{base}: not over https")
        return Source(base, ways.trust, ways.timeout_s)

    def _ask(self, known: Kept) -> None:
        """The state first: whoever is replaced a moment later must know what for."""
        nonce = secrets.token_hex(8)
        self._tell(replace(known, nonce=nonce), "installing")
        kept.write(self._folder / kept.REQUEST, f"{known.version} {nonce}\n".encode())
        _log.info("upgrade_asked", version=known.version)

    def _look_for_result(self, known: Kept, present: str) -> float | None:
        found = result(self._home, known.version, known.nonce or "")
        if found is not None:
            _log.info("upgrade_result", version=known.version, state=found.state, reason=found.reason)
            self._end(known, found.state, found.reason)
            return 0.0
        request = self._folder / kept.REQUEST
        asked_at = (self._folder / kept.STATE).stat().st_mtime
        age_s = abs(time.time() - asked_at)
        if request.exists() and age_s > TAKEN_WITHIN_S:
            self._end(known, "refused", "no_installer")
        elif age_s > INSTALLED_WITHIN_S:
            self._end(known, *(("done", None) if known.version == present else ("failed", "other")))
        return LOOK_S

    def _later(self, known: Kept, error: NotNowError) -> float:
        if known.reason != error.reason:
            _log.info("upgrade_waits", version=known.version, reason=error.reason, detail=str(error))
        self._tell(known, "waiting", error.reason)
        return AGAIN_S[error.reason]

    def _end(self, known: Kept, state: State, reason: str | None) -> None:
        shutil.rmtree(self._folder / kept.BUNDLE, ignore_errors=True)
        (self._folder / kept.REQUEST).unlink(missing_ok=True)
        self._tell(known, state, reason)

    def _rest(self, wanted: Release | None) -> None:
        """Nothing is to be fetched: what waited does so no more, and what was fetched goes."""
        known = self._kept
        if wanted is not None and (known is None or known.version != wanted.version or known.state != "done"):
            self._end(Kept(version=wanted.version, asked_at=wanted.asked_at, state="done"), "done", None)
        elif wanted is None and known is not None and known.state not in FINAL:
            (self._folder / kept.STATE).unlink(missing_ok=True)
            self._kept = None
            self.on_news()

    def _tell(self, known: Kept, state: State, reason: str | None = None) -> None:
        after = replace(known, state=state, reason=reason)
        if after == self._kept:
            return
        kept.save(self._folder, after)
        self._kept = after
        self.on_news()
