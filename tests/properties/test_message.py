"""Whatever is in a name, a message keeps its shape, its limit and its totals."""

import json
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from email import message_from_bytes, policy

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.notify import dingtalk, feishu, group, webhook, wecom
from collector.notify.dingtalk import DingTalk
from collector.notify.feishu import Feishu
from collector.notify.mail import Email
from collector.notify.message import Message, render
from collector.notify.names import clean
from collector.notify.robot.budget import Budgets
from collector.notify.robot.fitting import PARTS_MAX, PLAIN, Markup, split, within, write
from collector.notify.robot.tools import Tools
from collector.notify.wecom import WeCom
from collector.settings import DingTalkReceiver, EmailReceiver, FeishuReceiver, WeComReceiver
from collector.text import Names
from tests.support.samples import alert, notice

NAMES = st.text(max_size=80) | st.sampled_from(
    ["@all", "<@all>", "[a](http://b.c)", "> x\n- y", "**", "https://a.b/c?d"]
)


@settings(max_examples=150)
@given(name=NAMES)
def test_clean_names_are_inert(name: str) -> None:
    """One line, short, no character that a robot, a browser or a client acts on, and stable."""
    cleaned = clean(name)
    assert len(cleaned) <= 40
    assert not set(cleaned) & set("@<>[](){}*_`~#|\\!&./:$^=\"'\n\r\t\u2028\u2029\u202e\u2066\u200b")
    assert cleaned.isprintable()
    assert clean(cleaned) == cleaned
    cleaned.encode()


@settings(max_examples=100, deadline=None)
@given(
    schools=st.lists(st.tuples(NAMES, st.integers(0, 40)), min_size=1, max_size=120),
    markup=st.sampled_from([PLAIN, wecom.MARKDOWN, dingtalk.MARKDOWN]),
    limit=st.integers(1_000, 8_000),
)
def test_messages_fit_and_add_up(schools: Sequence[tuple[str, int]], markup: Markup, limit: int) -> None:
    """In all parts, shown classrooms plus those left out are the total of the second line; each is within the limit."""
    members = [alert(f"s{n}", name, rooms=rooms) for n, (name, rooms) in enumerate(schools)]
    names = Names(offices={"511402": schools[0][0]})
    parts = split(render(notice(*members), "zh", names), within(limit, lambda part: write(part, markup)))
    texts = [write(part, markup) for part in parts]
    assert all(len(text.encode()) <= limit for text in texts)
    assert [(part.part, part.part_count) for part in parts] == [(n, len(parts)) for n in range(1, len(parts) + 1)]
    assert len(parts) <= PARTS_MAX
    lines = [texts[0].split(markup.line_end)[0], *(line for text in texts for line in text.split(markup.line_end)[1:])]
    counts = [int(n) for line in lines[2:] for n in re.findall(r"(?:所学校|:)\s?(\d+) 间教室", line)]
    total = sum(rooms for _, rooms in schools)
    assert lines[1] == f"{len(schools)} 所学校 {total} 间教室"
    assert sum(counts) == total


# --- inert in each kind's own markup --------------------------------------------------------------------------------

HOSTILE = NAMES | st.sampled_from(
    [
        "<at id=all></at>",
        '<at user_id="ou_1">x</at>',
        "@13800138000",
        "<@userid>",
        '<font color="warning">',
        "![x](http://a.b/c.png)",
        "\n# x",
        "\\\\n- x",
        "~~x~~ `x`",
        "\u202ex\u2028y",
        "{{x}}",
        '","at":{"isAtAll":true},"x":"',
        "\u202e\u2067l\u200fla@\u200e",
        "见 http://evil.cn/1/2 与 1.5 Mbit/s",
        "\ud800",
    ]
)
TOOLS = Tools(session=None, budgets=Budgets())  # type: ignore[arg-type]


def of_wecom(message: Message) -> str:
    body = WeCom(WeComReceiver(name="g", key_file=""), TOOLS, {"key_file": "k"})._body(message)
    return str(body["markdown"]["content"]).replace('<font color="warning">', "").replace("</font>", "")


def of_dingtalk(message: Message) -> str:
    robot = DingTalk(DingTalkReceiver(name="g", key_file=""), TOOLS, {"key_file": "k"})
    text = robot._body(message)
    assert len(text.encode()) <= dingtalk.BODY_MAX_BYTES
    body = json.loads(text)
    assert body.keys() == {"msgtype", "markdown"}
    assert body["markdown"]["title"] == message.title
    assert body["markdown"]["text"].startswith('#### <font color="#FA5151">')
    return str(body["markdown"]["text"])[27:].replace("</font>", "", 1).replace("\n\n- ", "\n> ").replace("\n\n", "\n")


def of_feishu(message: Message) -> str:
    robot = Feishu(FeishuReceiver(name="g", key_file=""), TOOLS, {"key_file": "k", "sign_secret_file": "s"})
    text = robot._body(message)
    assert len(text.encode()) <= feishu.BODY_MAX_BYTES
    body = json.loads(text)
    assert body.keys() == {"timestamp", "sign", "msg_type", "card"}
    assert body["card"]["header"]["title"] == {"tag": "plain_text", "content": message.title}
    [element] = body["card"]["elements"]
    assert element["text"]["tag"] == "lark_md"
    return f"{message.title}\n{element['text']['content']}".replace("\n- ", "\n> ")


def of_webhook(message: Message) -> str:
    body = json.loads(webhook.body_of("r", message))
    assert body["title"] == message.title
    assert [item["school"] for item in body["items"]] == [item.name for item in message.items]
    return str(body["text"]).replace("\n- ", "\n> ")


MAILER = Email(
    EmailReceiver(name="g", host="h", sender="a@b.example", to="c@d.example"),
    Tools(session=None, budgets=Budgets(), tls={"g": ssl.create_default_context()}),  # type: ignore[arg-type]
    {},
)


def of_email(message: Message) -> str:
    taken = message_from_bytes(MAILER._mail(message).as_bytes(), policy=policy.default)
    ours = "Auto-Submitted Content-Transfer-Encoding Content-Type Date From MIME-Version Message-ID Subject To"
    assert sorted(taken.keys()) == ours.split()
    assert taken["Subject"] == message.title
    return str(taken.get_content()).removesuffix("\n").replace("\n- ", "\n> ")  # type: ignore[attr-defined]


@pytest.mark.parametrize("written", [of_wecom, of_dingtalk, of_feishu, of_webhook, of_email])
@settings(max_examples=40, deadline=None)
@given(
    alerts=st.lists(
        st.tuples(HOSTILE, HOSTILE, st.sampled_from(["summary", "facts", "message"])), min_size=1, max_size=6
    ),
    common=st.dictionaries(st.sampled_from(["actor", "next_step"]), HOSTILE),
    office=HOSTILE,
)
@example(alerts=[(": : :", "", "summary")], common={}, office="000000000000¡¡¡¡¡¡¡")
def test_groups_of_alertmanager_are_inert(
    written: Callable[[Message], str],
    alerts: Sequence[tuple[str, str, str]],
    common: Mapping[str, str],
    office: str,
) -> None:
    """Whatever a rule's labels and annotations hold, in each kind's own markup: what is marked is marked by us."""
    made = tuple(
        group.Alert(status="firing", labels={"alertname": name, "instance": name}, annotations={key: said})
        for name, said, key in alerts
    )
    labels = {"office": office, "incident": office}
    whole = group.Group(version="4", alerts=made, common_labels=labels, common_annotations=dict(common))
    message = group.render_group(whole, "zh", Names(), 0.0)
    lines = written(message).split("\n")
    assert len(lines) == 1 + len(message.lead) + len(message.items) + len(message.closing)
    for line in lines:
        assert not set(line.removeprefix("> ").replace("**", "")) & set("@<>[]{}()*_`~#|\\!&$\u2028\u202e")
        assert line.count("**") in {0, 2}
        assert "://" not in line


@pytest.mark.parametrize("written", [of_wecom, of_dingtalk, of_feishu, of_webhook, of_email])
@settings(max_examples=60, deadline=None)
@given(schools=st.lists(HOSTILE, min_size=1, max_size=8), office=HOSTILE, room=HOSTILE)
def test_names_are_inert_in_each_markup(
    written: Callable[[Message], str], schools: Sequence[str], office: str, room: str
) -> None:
    """No name mentions, links, marks, colours or begins a line: what is marked is marked by us."""
    members = [alert(f"s{n}", name, rooms=2) for n, name in enumerate(schools)]
    names = Names(offices={"511402": office}, classroom_name=lambda _school, _room: room)
    message = render(notice(*members), "zh", names)
    lines = written(message).split("\n")
    items = [line for line in lines if line.startswith("> ")]
    assert len(lines) == 1 + len(message.lead) + len(message.items) + len(message.closing)
    assert len(items) == len(schools)
    for line in lines:
        assert not set(line.removeprefix("> ").replace("**", "")) & set("@<>[]{}*_`~#|\\!&$\u2028\u202e")
        assert line.count("**") in {0, 2}
        assert "://" not in line
