"""The link of a message in Chromium, which keeps to the policies that the page sends: it is styled, asks, and acts."""

import pytest

from tests.component.test_ack_page import desk_at_work, door, on_it, path
from tests.support.chromium import chromium

pytestmark = pytest.mark.servers("chromium")


async def test_a_reader_presses_the_button(tmp_path):
    """Without a name the browser asks for one; no password is asked for, and nothing of the page is blocked."""
    async with desk_at_work(tmp_path) as desk, door(desk) as client, chromium(tmp_path) as browser:
        await browser.resize(390)
        await browser.open(str(client.make_url(path())))
        assert await browser.evaluate("getComputedStyle(document.querySelector('button')).backgroundColor") == (
            "rgb(23, 105, 77)"
        )
        assert await browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await browser.evaluate("document.querySelector('form').checkValidity()") is False
        await browser.evaluate("document.querySelector('button').click()")
        assert on_it(desk) is None
        await browser.evaluate("document.querySelector('[name=name]').value = '王工 <b>'")
        await browser.evaluate("document.querySelector('[name=note]').value = '已联系电信'")
        await browser.evaluate("document.querySelector('button').click()")
        await browser.wait("document.body?.innerText.includes('已记录:王工 <b> 正在处理')", deadline_s=20)
        assert (on_it(desk).by, on_it(desk).note) == ("王工 <b>", "已联系电信")
        await browser.open(str(client.make_url(f"{path()}&lang=en")))
        assert "is on it already" in await browser.evaluate("document.body.innerText")
