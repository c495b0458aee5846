"""Who reads what others wrote: nested too deeply it is as unreadable as any other, and ends nothing."""

from contextlib import suppress
from pathlib import Path

import pytest

import agent
from agent import directives
from agent.doctor import way
from agent.http1 import Answer
from agent.links import http
from agent.probes.bandwidth import iperf3, learned
from agent.probes.bandwidth.exchange import Unfinished
from agent.probes.whiteboard.values import Unreadable, decoded
from agent.spool import seal
from classready import codec
from collector.notify.group import read_group
from collector.notify.robot import reply
from collector.store import outbox

DEEP = b'{"nested":' + b"[" * 5_000 + b"]" * 5_000 + b"}"


def _answer():
    answer = Answer()
    answer.body.extend(DEEP)
    return answer


@pytest.mark.parametrize(
    ("read", "otherwise"),
    [
        (lambda: way._json(_answer()), None),
        (lambda: http._denial(_answer()), "denied"),
        (lambda: seal.unmark(1, DEEP + b"}}"), None),
        (lambda: reply._object(DEEP), {}),
        (lambda: outbox._read(DEEP.decode()), None),
    ],
)
def test_it_reads_as_nothing(read, otherwise):
    assert read() == otherwise


@pytest.mark.parametrize(("module", "name"), [(directives, directives.FILE_NAME), (learned, learned.FILE)])
def test_a_file_reads_as_nothing(module, name, tmp_path):
    (tmp_path / name).write_bytes(DEEP if module is directives else b'{"a":' + DEEP + b"}")
    load = module.load if module is directives else module._load
    assert load(tmp_path) is None


@pytest.mark.parametrize(
    ("read", "refusal"),
    [
        (lambda: iperf3.read(DEEP, "down"), Unfinished),
        (lambda: decoded(DEEP), Unreadable),
        (lambda: read_group(DEEP), ValueError),
    ],
)
def test_it_is_refused(read, refusal):
    with pytest.raises(refusal):
        read()


ODD = (
    "1e999", "-1e400", "9" * 5_000, '"\\ud800"', '"\udcff"', '{"a":1,"a":1e999}', "[" * 3_000, "nul", '"x" "y"', "\0",
)  # fmt: skip
"""What a typed decoder may pass over where no field of ours is, and another one must read."""


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize(
    "decode", [codec.decode_document, codec.decode_report, codec.decode_ack, codec.decode_presence]
)
def test_what_travels_is_read_or_malformed(decode, value):
    """Nothing else is raised for any field that nobody knows, of a document, a report, an ack, a presence."""
    version = '"version":"0123456789abcdef","settings":{},"targets":[],"release":null,"discovery":null'
    ack = '"spool_id":"0123456789abcdef0123456789abcdef","committed":[],"rejected":[]'
    body = f'{{{version},{ack},"state":"online","nobody_knows":{value}}}'.encode(errors="surrogateescape")
    with suppress(codec.MalformedReport):
        decode(body)


def test_what_a_decoder_raises_is_listed_in_one_place():
    """A new reader of foreign bytes that names one error alone forgets the others: two of three did."""
    root = Path(agent.__file__).parents[1]
    sources = (file for part in ("agent", "collector", "classready") for file in (root / part).rglob("*.py"))
    naming = [str(file.relative_to(root)) for file in sources if "msgspec.DecodeError" in file.read_text("utf-8")]
    assert naming == ["classready/codec.py"]
