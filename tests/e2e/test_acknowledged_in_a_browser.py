"""A message that was really sent carries a link; who presses its button is on it, and nobody else is bothered."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stage import contents, fetch, python_module
from tests.e2e.town import LOOPBACK, Desk, School, wecom
from tests.support.chromium import Page, chromium
from tests.support.namespaces import namespaces

pytestmark = [pytest.mark.netns, pytest.mark.servers("ip", "chromium"), pytest.mark.timeout(180)]

TAKEN = School("3251140200", "城关小学", "中国电信眉山分公司")
LEFT = School("3251142100", "文林小学", "中国移动眉山分公司", "511421")
"""Of another office: what one office is to hear at the same time would be one message, without a link for each."""
ESCALATE_AFTER_S = 15
POLICY = {"group_wait_s": 1, "escalate_after_lesson_hours": ESCALATE_AFTER_S / 3_600}
CHIEF_PORT = 9715


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Both schools and the bureau on one machine, where a browser needs no certificate."""
    with namespaces("bu") as (bureau,):
        desk = Desk(tmp_path, bureau, LOOPBACK)
        try:
            robot = python_module("bench.demo.robot")
            desk.start("chief", bureau, *robot, f"--port={CHIEF_PORT}", "--key=t-wecom")
            receivers = [wecom("group", 9714), wecom("chief", CHIEF_PORT, escalation=True)]
            desk.open((TAKEN, LEFT), POLICY, receivers=receivers)
            for school in (TAKEN, LEFT):
                desk.start_product("agent", bureau, school.gateway)
            desk.until("both are heard", lambda: desk.hears(TAKEN, LEFT), 60)
            yield desk
        finally:
            desk.stop()


def test_who_presses_the_button_is_on_it(desk: Desk, tmp_path: Path):
    """The page of the incident names him; only the other incident, which nobody took, goes on to the chief."""
    desk.bureau.call(asyncio.run, press(desk, tmp_path))
    (escalated,) = desk.told(1, CHIEF_PORT)
    assert "【升级】" in escalated
    assert LEFT.name in escalated
    assert TAKEN.name not in escalated
    (taken,) = (i for i in desk.incidents() if i["acknowledgement"])
    assert taken["state"] == "acknowledged"
    desk.until("nothing is on its way", lambda: not desk.waiting())
    assert len(desk.messages()) == 2
    assert len(desk.messages(CHIEF_PORT)) == 1


async def press(desk: Desk, folder: Path) -> None:
    """Cut the power of both gateways, and take one of them by the link in its message. Runs within the namespace."""
    async with chromium(folder) as browser:
        for school in (TAKEN, LEFT):
            desk.programs[school.gateway].kill()
        message = desk.until("a message of the one", received, 60)
        await acknowledge(browser, message)


def received() -> str | None:
    return next((text for text in contents(fetch("http://127.0.0.1:9714/received")) if TAKEN.name in text), None)


async def acknowledge(browser: Page, message: str) -> None:
    found = re.search(r"http://[^)\s]*/incidents/(\d+)/ack[^)\s]*", message)
    assert found, message
    await browser.open(found[0])
    await browser.evaluate("document.querySelector('[name=name]').value = '王工'")
    await browser.evaluate("document.querySelector('[name=note]').value = '已联系电信'")
    await browser.evaluate("document.querySelector('button').click()")
    await browser.wait("document.body?.innerText.includes('已记录:王工 正在处理')")
    await browser.open(f"http://{LOOPBACK}:9711/incidents/{found[1]}")
    shown = await browser.evaluate("document.body.innerText")
    assert "王工" in shown
    assert "已联系电信" in shown
