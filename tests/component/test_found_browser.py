"""发现待分配 in Chromium, which keeps to the policies that the page sends: laid out on every screen, and confirmed."""

import pytest

from tests.support.chromium import chromium
from tests.support.finding import school

pytestmark = pytest.mark.servers("chromium")


async def test_a_keeper_confirms_by_one_click(tmp_path):
    """Nothing is wider than the screen; without a name the browser asks for one; what was ticked is confirmed."""
    async with school(tmp_path) as (engine, _, client), chromium(tmp_path) as browser:
        address = str(client.make_url("/school/s1/found"))
        for width in (1366, 390, 320):
            await browser.resize(width)
            await browser.open(address)
            assert await browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
            assert await browser.evaluate(
                "[...document.querySelectorAll('.found td, .found li, .found button')]"
                ".every((e) => e.offsetWidth === 0 || e.scrollWidth <= e.clientWidth + 1)"
            ), width
        assert await browser.evaluate("getComputedStyle(document.querySelector('button')).backgroundColor") == (
            "rgb(23, 105, 77)"
        )
        assert await browser.evaluate("document.querySelectorAll('b').length && !document.querySelector('main script')")
        assert await browser.evaluate("document.querySelectorAll('.found form')[0].checkValidity()") is False
        await browser.evaluate("document.querySelector('.found form [name=name]').value = '王工 <b>'")
        await browser.evaluate("document.querySelector('.found form button').click()")
        await browser.wait("document.body?.innerText.includes('已确认 3 台')", deadline_s=20)
        assert {device.confirmed_by for device in engine.devices.of("gw-one")} == {"王工 <b>"}
        assert await browser.evaluate("document.querySelector('.found form [name=name]').value") == "王工 <b>"


async def test_a_table_is_handed_in(tmp_path):
    """The form with the file is taken as the browser sends it, in its own encoding of fields and file."""
    async with school(tmp_path) as (engine, _, client), chromium(tmp_path) as browser:
        await browser.open(str(client.make_url("/school/s1/found")))
        await browser.evaluate(
            """(() => {
              const file = new File(["网关,地址,端口,教室,处理\\r\\ngw-one,10.0.0.31,,b2-302,确认\\r\\n"], "表.csv");
              const given = new DataTransfer();
              given.items.add(file);
              const form = document.querySelector("form[enctype]");
              form.querySelector("[type=file]").files = given.files;
              form.querySelector("[name=name]").value = "李工";
              form.querySelector("button").click();
            })()"""
        )
        await browser.wait("document.body?.innerText.includes('确认 1 台,忽略 0 台')", deadline_s=20)
        (device,) = engine.devices.of("gw-one")
        assert (device.target["classroom"], device.confirmed_by) == ("b2-302", "李工")
