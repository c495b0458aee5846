"""The one table of notifiers, keyed by the type of a receiver's settings."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from collector.notify.alertmanager import Alertmanager
from collector.notify.console import Console
from collector.notify.contract import Notifier
from collector.notify.dingtalk import DingTalk
from collector.notify.feishu import Feishu
from collector.notify.robot.tools import Secrets, Tools
from collector.notify.rotation import rotating
from collector.notify.webhook import Webhook
from collector.notify.wecom import WeCom
from collector.settings import (
    AlertmanagerReceiver,
    ConsoleReceiver,
    DingTalkReceiver,
    EmailReceiver,
    FeishuReceiver,
    Receiver,
    WebhookReceiver,
    WeComReceiver,
)


def _email(settings: EmailReceiver, tools: Tools, secrets: Secrets) -> Notifier:
    """Its library is imported only where a receiver needs it."""
    from collector.notify.mail import Email

    return Email(settings, tools, secrets)


NOTIFIERS: Mapping[type[Any], Callable[[Any, Tools, Secrets], Notifier]] = {
    ConsoleReceiver: Console,
    WeComReceiver: WeCom,
    DingTalkReceiver: DingTalk,
    FeishuReceiver: Feishu,
    WebhookReceiver: Webhook,
    EmailReceiver: _email,
    AlertmanagerReceiver: Alertmanager,
}


def notifiers(
    receivers: Sequence[Receiver], secrets: Mapping[str, str], tools: Tools, only: str | None = None
) -> dict[str, Notifier]:
    """Make a notifier for each receiver, or one. ``secrets`` are named as in the settings: receivers[0].key_file."""
    return {
        receiver.name: rotating(_own(secrets, f"receivers[{i}]."), partial(NOTIFIERS[type(receiver)], receiver, tools))
        for i, receiver in enumerate(receivers)
        if only in {None, receiver.name}
    }


def _own(secrets: Mapping[str, str], prefix: str) -> Secrets:
    return {entry.removeprefix(prefix): value for entry, value in secrets.items() if entry.startswith(prefix)}
