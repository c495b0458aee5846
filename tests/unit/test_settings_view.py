"""What the page of a school says of a gateway's settings, in the language of its reader."""

import pytest

from collector.fleet.trouble import SettingsSeen
from collector.views.settings import settings_view

OLD, NEW = "0" * 16, "1" * 16


@pytest.mark.parametrize("seen", [None, SettingsSeen(OLD, None, None)])
def test_where_there_is_nothing_to_tell_nothing_is_told(seen: SettingsSeen | None) -> None:
    assert settings_view(seen, "zh") is None


@pytest.mark.parametrize(
    ("seen", "state", "zh", "en"),
    [
        (SettingsSeen(NEW, NEW, None), "applied", "已采用教育局的设置", "in force"),
        (SettingsSeen(OLD, NEW, None), "awaited", "尚未采用", "not in force yet"),
        (SettingsSeen(None, NEW, None), "awaited", "现用 无", "in force: none"),
        (SettingsSeen(OLD, NEW, ("t: no",)), "refused", "没有采用", "refused"),
    ],
)
def test_each_state_has_its_words(seen: SettingsSeen, state: str, zh: str, en: str) -> None:
    chinese, english = settings_view(seen, "zh"), settings_view(seen, "en")
    assert chinese is not None
    assert english is not None
    assert (chinese.state, english.state) == (state, state)
    assert zh in chinese.text
    assert en in english.text
    assert bool(chinese.remedy) == bool(chinese.problems) == (state == "refused")


@pytest.mark.parametrize(
    ("problem", "remedy"),
    [
        (
            "targets[uplink].key_file: /etc/x cannot be used: No such file or directory (one line of text)",
            "没有设置里提到的文件",
        ),
        ("Object contains unknown field `colour` - at `$.targets[0]`", "请先升级网关"),
        ("targets[b1].mqtt: needs broker: the school's MQTT broker", "矛盾"),
        ("", "矛盾"),
    ],
)
def test_a_refusal_says_what_to_do_in_chinese(problem: str, remedy: str) -> None:
    view = settings_view(SettingsSeen(OLD, NEW, (problem,)), "zh")
    assert view is not None
    assert remedy in view.remedy
    assert view.problems == (problem,)
