"""Which of a device's entities says whether its screen is on: by class and category, then by name, or none.

A panel announces a dozen switches (mute, touch lock, automatic brightness). Taking one of those for its power is worse
than knowing nothing, so what is not recognised is not taken.
"""

import re
from collections.abc import Iterable, Sequence

from agent.probes.whiteboard.discovery import Entity
from agent.probes.whiteboard.values import Unreadable, shown

TOGETHER_MAX = 4
"""Entities that may speak of the same screen."""
_LABELS_MAX = 64

_CLASSES = {"switch": {"", "switch"}, "binary_sensor": {"", "power", "running"}, "light": {""}}
"""Device classes that may mean a screen. An ``outlet`` is a socket: the panel behind it may sleep."""
_CERTAIN_CLASSES = {("binary_sensor", "power"), ("binary_sensor", "running")}

_SCREEN = re.compile(r"screen|display|monitor|backlight|\blcd\b|屏|显示")
_POWER = re.compile(
    r"power|\bon[ _-]?off\b|panel|\btv\b|\bboard\b|whiteboard|blackboard|电源|开关|开机|面板|白板|黑板|一体机|电视|总开"
)
_OTHER = re.compile(
    r"auto|bright|mut|sav(er|ing)|lock|rotat|record|mirror|cast|shar(e|ing)|touch|volum|sound|speaker|\bmic|camera"
    r"|wi-?fi|wlan|bluetooth|hotspot|\busb|hdmi|\bled\b|light|night|\bmode|\beco\b|child|timer|schedul|standby|sleep"
    r"|updat|restart|reboot|freez|blank|screenshot|split|invert|annotat|writ|\bpen\b|\bops\b|\bpc\b|computer|\bapp\b"
    r"|fan\b|batter|charg|memory|alarm|motion|protect"
    r"|亮度|自动|静音|锁|屏保|保护|旋转|录|投屏|同屏|触|音|麦克风|摄像|无线|蓝牙|热点|灯|节能|护眼|童|定时|模式|待机|休眠"
    r"|睡眠|息屏|熄屏|黑屏|关屏|冻结|空调|窗帘|风扇|更新|重启|门|书写|批注|电脑|电池|充电|插座|屏蔽|分屏|截屏|传屏|白屏"
)
"""What a name says that is not, or not only, the power of the screen; some of it means the opposite."""
_INVERTED = re.compile(r"\boff\b")
_ON_AND_OFF = re.compile(r"\bon[ _-]?off\b")
_EMPTY = re.compile(r"\b(switch|relay|state|status|main|sw|mqtt)\b")


def choose(entities: Iterable[Entity], labels: Iterable[str]) -> tuple[Entity, ...]:
    """The entities that say whether the screen is on; ``labels`` are names of the device, which say nothing.

    Raises:
        Unreadable: none is certain; the text names those that might be.
    """
    own = [entity for entity in entities if entity.enabled and entity.category not in {"config", "diagnostic"}]
    named = _labels(labels)
    texts = {id(entity): _text(entity, named) for entity in own}
    switches = [entity for entity in own if entity.component in _CLASSES]
    fitting = [e for e in switches if e.device_class in _CLASSES[e.component] and not _is_other(texts[id(e)])]
    chosen = (
        [entity for entity in fitting if _SCREEN.search(texts[id(entity)])]
        or [entity for entity in fitting if _is_power(entity, texts[id(entity)])]
        or _only_one(fitting, texts)
    )
    if len(chosen) > TOGETHER_MAX:
        raise Unreadable(f"it announces {len(chosen)} entities that may all be its screen")
    if not chosen:
        others = [e for e in own if e not in switches and not e.unit and not _is_other(texts[id(e)])]
        raise Unreadable(_why_none(switches, [e for e in others if _SCREEN.search(texts[id(e)])]))
    return tuple(chosen)


def _labels(labels: Iterable[str]) -> re.Pattern[str]:
    """Finds any of them as a whole, the longest first."""
    longest = sorted(labels, key=len, reverse=True)[:_LABELS_MAX]
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, longest))})(?![^\W_])", re.IGNORECASE)


def _text(entity: Entity, labels: re.Pattern[str]) -> str:
    """What its names say beside the device's own: in lower case, words apart."""
    text = labels.sub(" ", f"{entity.name or ''} {entity.object_id}")
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", text).casefold()
    return " ".join(_EMPTY.sub(" ", parted).split())


def _is_other(text: str) -> bool:
    inverted = _INVERTED.search(text) and not _ON_AND_OFF.search(text)
    return bool(inverted or _OTHER.search(text.replace("backlight", "")))


def _is_power(entity: Entity, text: str) -> bool:
    return (entity.component, entity.device_class) in _CERTAIN_CLASSES or (
        entity.component == "switch" and bool(_POWER.search(text))
    )


def _only_one(fitting: Sequence[Entity], texts: dict[int, str]) -> list[Entity]:
    """The device's one switch, where it is called like the device or nothing that means something else."""
    found = [entity for entity in fitting if entity.component == "switch"]
    return found if len(found) == 1 and (not found[0].name or not texts[id(found[0])]) else []


def _why_none(switches: Sequence[Entity], others: Sequence[Entity]) -> str:
    if others:
        return f"its screen is announced as {others[0]}, which is not understood"
    if switches:
        names = ", ".join(shown(each) for each in switches[:3])
        return f"none of what it announces is certain to be its screen ({names}{', …' if len(switches) > 3 else ''})"
    return "it announces nothing that says whether its screen is on"
