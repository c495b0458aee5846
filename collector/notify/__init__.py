"""The one table of notifiers, keyed by the type of a receiver's settings."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import ClientSession

from collector.notify.console import Console
from collector.notify.contract import Notifier
from collector.notify.wecom import WeCom
from collector.settings import ConsoleReceiver, WeComReceiver

NOTIFIERS: Mapping[type[Any], Callable[[Any, ClientSession, str | None], Notifier]] = {
    ConsoleReceiver: Console,
    WeComReceiver: WeCom,
}
