"""The time that a robot believes.

A bureau's machine that starts without a time server stamps its requests hours wrong, and every signature is refused
(0wQ/air780e-forwarder#51, jenkinsci/dingtalk-plugin#116). The robot's answer carries its own date: stamp by that.
"""

from collections.abc import Awaitable, Callable

from collector.notify.contract import Misconfigured
from collector.notify.robot.post import Reply

NEWS_S = 600.0
"""A clock that is less wrong is not why a stamp was refused: DingTalk and Feishu both take an hour."""


class RobotClock:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ahead_s = 0.0

    def now(self) -> float:
        return self._clock() + self._ahead_s

    def learn(self, dated_at: float | None) -> bool:
        """Follow the robot's date; True = stamps are now others, by enough to be worth another try."""
        if dated_at is None or abs(dated_at - self.now()) < NEWS_S:
            return False
        self._ahead_s = dated_at - self._clock()
        return True


async def restamping(clock: RobotClock, post: Callable[[], Awaitable[Reply]], judge: Callable[[Reply], str]) -> str:
    """Post and judge; once more with the robot's own time if it refused the stamp and our clock is wrong."""
    reply = await post()
    try:
        return judge(reply)
    except Misconfigured as error:
        if error.reason not in {"bad_signature", "bad_clock"} or not clock.learn(reply.dated_at):
            raise
    return judge(await post())
