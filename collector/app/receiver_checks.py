"""What can be wrong about receivers of messages, each named with its entry: who gets what, with which secret."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from classready.hosts import is_loopback
from classready.settings import Loaded, Problem
from collector.settings import AlertmanagerReceiver, EmailReceiver

_ADDRESS = re.compile(r"https?://[!-.0->@-~]+(/[!-~]*)?")
SECRETS_MAX = 4


def fallback_problems(loaded: Loaded) -> Iterator[Problem]:
    """A message must end somewhere, and who gets only what others do not take must have such others."""
    receivers = loaded.value.receivers
    fallbacks = {receiver.name: receiver.fallback for receiver in receivers}
    routers = {receiver.name for receiver in receivers if isinstance(receiver, AlertmanagerReceiver)}
    is_routed = bool(routers) or loaded.value.listen.tokens.alertmanager_file is not None
    for i, receiver in enumerate(receivers):
        if receiver.fallback is not None and receiver.fallback not in fallbacks:
            yield loaded.problem(f"receivers[{i}].fallback", f"no receiver {receiver.fallback!r}")
        elif receiver.fallback in routers:
            text = f"{receiver.fallback!r} is an Alertmanager: it would hand back what this one refuses"
            yield loaded.problem(f"receivers[{i}].fallback", text)
        elif _comes_back(receiver.name, fallbacks):
            yield loaded.problem(
                f"receivers[{i}].fallback", f"it leads back to {receiver.name!r}: messages would circle"
            )
        if receiver.standby and receiver.name not in fallbacks.values() and not is_routed:
            yield loaded.problem(f"receivers[{i}].standby", f"no receiver has fallback: {receiver.name}")


def escalation_problems(loaded: Loaded) -> Iterator[Problem]:
    """Each of the two does nothing without the other."""
    wanted_h = loaded.value.policy.escalate_after_lesson_hours
    asked = [i for i, receiver in enumerate(loaded.value.receivers) if receiver.escalation]
    if wanted_h and not asked:
        yield loaded.problem("policy.escalate_after_lesson_hours", "no receiver has escalation: true")
    for i in asked:
        if not wanted_h:
            text = "nothing is ever escalated: give policy.escalate_after_lesson_hours, such as 4"
            yield loaded.problem(f"receivers[{i}].escalation", text)
        if loaded.value.receivers[i].standby:
            yield loaded.problem(f"receivers[{i}].escalation", "a receiver is either standby or for escalation")


def _comes_back(name: str, fallbacks: Mapping[str, str | None]) -> bool:
    following = fallbacks[name]
    for _ in fallbacks:
        if following is None or following == name:
            return following == name
        following = fallbacks.get(following)
    return False


def _is_address(text: str) -> bool:
    try:
        return bool(_ADDRESS.fullmatch(text) and urlsplit(text).hostname) and urlsplit(text).port != 0
    except ValueError:
        return False


def login_problems(loaded: Loaded) -> Iterator[Problem]:
    for i, receiver in enumerate(loaded.value.receivers):
        if not isinstance(receiver, EmailReceiver | AlertmanagerReceiver):
            continue
        if (receiver.user is None) != (receiver.password_file is None):
            yield loaded.problem(f"receivers[{i}].user", "user and password_file go together: give both, or none")
        if isinstance(receiver, AlertmanagerReceiver):
            yield from _router_problems(loaded, i, receiver)


def _router_problems(loaded: Loaded, i: int, receiver: AlertmanagerReceiver) -> Iterator[Problem]:
    if receiver.token_file is not None and receiver.user is not None:
        yield loaded.problem(f"receivers[{i}].token_file", "token_file stands in place of user: leave one of them out")
    has_secret = receiver.token_file is not None or receiver.password_file is not None
    for j, url in enumerate(receiver.urls):
        split = urlsplit(url)
        if not _is_address(url):
            yield loaded.problem(f"receivers[{i}].urls[{j}]", f"{url!r} is no address like https://host:9093")
        elif has_secret and split.scheme == "http" and not is_loopback(split.hostname or ""):
            yield loaded.problem(
                f"receivers[{i}].urls[{j}]", "its secret would travel in the clear: https:// is needed"
            )


def line_problems(loaded: Loaded, secrets: Mapping[str, str]) -> Iterator[Problem]:
    """Old and new may stand together while one follows the other, where somebody else decides which of them holds."""
    receivers = enumerate(loaded.value.receivers)
    routers = tuple(f"receivers[{i}]." for i, receiver in receivers if isinstance(receiver, AlertmanagerReceiver))
    for entry, secret in secrets.items():
        may_rotate = entry.startswith(("receivers[", "listen.tokens.")) and not entry.startswith(routers)
        most, count = SECRETS_MAX if may_rotate else 1, len(secret.splitlines())
        if count > most:
            yield loaded.problem(entry, f"the file holds {count} secrets, one a line; at most {most} can be used")


def key_problems(loaded: Loaded, secrets: Mapping[str, str]) -> Iterator[Problem]:
    """The vendors show the whole address to copy; it must not end up inside of another one."""
    for entry, secret in secrets.items():
        if entry.endswith(".url_file") and not all(_is_address(line) for line in secret.splitlines()):
            yield loaded.problem(entry, "the file must hold one address like https://host/path")
        elif entry.startswith("receivers[") and entry.endswith(".key_file") and "://" in secret:
            yield loaded.problem(
                entry, "the file holds a whole address: leave only the robot's key (docs/receivers.md)"
            )
