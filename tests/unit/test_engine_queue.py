"""Reports that wait: bounded in number and in bytes, and given back when they are taken."""

import asyncio
import gc
import tracemalloc
from contextlib import suppress

import pytest

from classready.codec import decode_report
from classready.report import REPORT_MAX_BYTES
from collector.engine import QueueFullError
from collector.engine.queue import QUEUE_MAX_BYTES, QUEUE_MAX_REPORTS, Queue
from tests.support.collecting import NOW, body, pings

TIMES_IN_MEMORY = 13
"""What a report takes once it is decoded, in its bytes as it came."""

HEAD = b'{"sequence":%d,"boot_id":"a","monotonic_s":1,"observation":'
_FACTS = b",".join(b'"%c":""' % n for n in b"abcdefghijklmnop")
SHAPES = {
    "nothing but sequences": b'{"sequence":%d}',
    "unknown kinds": b'{"sequence":%d,"observation":{"kind":"x"}}',
    "small": HEAD + b'{"kind":"ping","target":"p"}}',
    "switches": HEAD + b'{"kind":"segment","name":"a","switches":[' + b",".join([b'"a"'] * 64) + b"]}}",
    "facts": HEAD + b'{"kind":"device","classroom":"a","facts":{' + _FACTS + b"}}}",
    "wide": HEAD + '{"kind":"ping","target":"p","detail":"a😀"}}'.encode(),
}


def filled(shape: bytes) -> bytes:
    """The largest report of such records."""
    count = min(2_000, (REPORT_MAX_BYTES - 300) // (len(shape) + 5))
    made = body([shape % n for n in range(1, count + 1)])
    assert len(made) <= REPORT_MAX_BYTES
    return made


@pytest.mark.parametrize("shape", SHAPES)
def test_a_report_in_memory(shape: str) -> None:
    """The bound in bytes is one of memory, too, whatever the records are."""
    data = filled(SHAPES[shape])
    decode_report(data)
    gc.collect()
    tracemalloc.start()
    decoded = decode_report(data)
    taken_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert decoded.size_bytes == len(data)
    assert taken_bytes <= TIMES_IN_MEMORY * len(data)


@pytest.mark.parametrize(
    ("data", "count"),
    [
        pytest.param(body(pings([1])), QUEUE_MAX_REPORTS, id="small"),
        pytest.param(filled(SHAPES["switches"]), QUEUE_MAX_BYTES // len(filled(SHAPES["switches"])), id="large"),
    ],
)
async def test_full(data: bytes, count: int) -> None:
    """One more is refused; what was taken makes room for as much again, and so does the end."""
    queue, decoded = Queue(), decode_report(data)
    for _ in range(3):
        waiting = [queue.put(f"gw-{n}", decoded, NOW) for n in range(count)]
        with pytest.raises(QueueFullError):
            queue.put("gw-more", decoded, NOW)
        taken = 0
        while taken < count:
            taken += len(await queue.take())
    waiting = [queue.put(f"gw-{n}", decoded, NOW) for n in range(count)]
    queue.close()
    assert all(answer.done() and answer.exception() for answer in waiting)
    queue.put("gw-more", decoded, NOW)
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            assert len(await queue.take()) == 1
