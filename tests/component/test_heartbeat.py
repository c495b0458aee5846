"""The sign of life to a watcher outside: when it goes, when it must not, and that its address stays secret."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web

from collector.app import heartbeat
from tests.support.collecting import Collector, wait_until
from tests.support.mosquitto import free_port


@asynccontextmanager
async def watcher(status=200):
    """A watcher that answers ``status``; yields its address and the requests it got."""
    got = []

    async def answer(request):
        got.append(request.path)
        if status is None:
            await asyncio.sleep(60)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/ping/secret-uuid", got
    finally:
        await runner.cleanup()


async def beaten(url, wrong, is_enough):
    async with ClientSession() as session:
        beat = asyncio.create_task(heartbeat.beat(session, url, 0.02, wrong, lambda: 1.0))
        async with asyncio.timeout(20):
            while not is_enough():
                await asyncio.sleep(0.01)
        beat.cancel()


def value(counter):
    return counter._value.get()


async def test_it_goes_while_all_is_well():
    async with watcher() as (url, got):
        await beaten(url, lambda: None, lambda: len(got) >= 3)
    assert set(got) == {"/ping/secret-uuid"}


async def test_it_does_not_go_while_something_is_wrong():
    before = value(heartbeat.WITHHELD)
    async with watcher() as (url, got):
        await beaten(url, lambda: "reports cannot be committed", lambda: value(heartbeat.WITHHELD) >= before + 3)
    assert got == []


@pytest.mark.parametrize("status", [301, 404, 500, None])
async def test_what_the_watcher_does_not_take_is_counted(status, capsys, monkeypatch):
    """A redirect is not followed: the watcher said nothing of taking it. A watcher that hangs is given up."""
    monkeypatch.setattr(heartbeat, "ANSWER_MAX_S", 0.1)
    before, sent = value(heartbeat.FAILED), value(heartbeat.SENT)
    async with watcher(status) as (url, got):
        await beaten(url, lambda: None, lambda: value(heartbeat.FAILED) >= before + 2)
    assert set(got) == {"/ping/secret-uuid"}
    assert value(heartbeat.SENT) == sent
    said = capsys.readouterr()
    assert "heartbeat_missing" in said.out + said.err
    assert "secret-uuid" not in said.out + said.err


async def test_nobody_listens(capsys):
    before = value(heartbeat.FAILED)
    await beaten(
        f"http://127.0.0.1:{free_port()}/secret-uuid", lambda: None, lambda: value(heartbeat.FAILED) >= before + 2
    )
    assert "secret-uuid" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("is_well", "waiting_s", "word"),
    [
        (True, {}, None),
        (True, {"a": 899.0}, None),
        (True, {"a": 0.0, "b": 901.0}, "b"),
        (False, {}, "committed"),
    ],
)
def test_what_is_wrong(is_well, waiting_s, word):
    found = heartbeat.what_is_wrong(is_well=is_well, waiting_s=waiting_s)
    assert found is None if word is None else word in (found or "")


async def test_the_collector_beats(tmp_path):
    """From the settings on; the address is a file's, and is in no log."""
    async with watcher() as (url, got):
        (tmp_path / "heartbeat").write_text(url)
        (tmp_path / "heartbeat").chmod(0o600)
        collector = Collector(tmp_path, "heartbeat: {url_file: heartbeat, every_s: 10}\n")
        await asyncio.to_thread(collector.start)
        try:
            await asyncio.to_thread(wait_until, lambda: bool(got))
        finally:
            assert await asyncio.to_thread(collector.stop) == 0
    assert "secret-uuid" not in collector.log
