"""Value templates: what is evaluated, what is refused by name, and that none takes time or memory."""

import subprocess
import sys
import time
import tracemalloc
from typing import Any

import pytest

from agent.probes.whiteboard.sandbox import TEXT_MAX_CHARACTERS
from agent.probes.whiteboard.template import SOURCE_MAX_CHARACTERS, reader
from agent.probes.whiteboard.values import Unreadable
from tests.support.panels import raw


@pytest.mark.parametrize(
    ("template", "payload", "expected"),
    [
        (None, " ON\n", "ON"),
        ("  ", "ON", "ON"),
        ("{{ value }}", "ON", "ON"),
        ("{{value_json.a.b}}", {"a": {"b": False}}, "false"),
        ("{{- value_json['a b'][0].c -}}", {"a b": [{"c": 0}]}, "0"),
        ('{{ value_json["屏"] }}', {"屏": "on"}, "on"),
        ("{{ value_json[1] }}", [1, 2], "2"),
        ("{{ value_json.power | upper }}", {"power": "off"}, "OFF"),
        ("{{ value | trim | lower }}", " On ", "on"),
        ("{{ 'ON' if value_json.power == 1 else 'OFF' }}", {"power": 0}, "OFF"),
        ("{% if value_json.w | float > 5 %}ON{% else %}OFF{% endif %}", {"w": "61.5"}, "ON"),
        ("{% set w = value_json.get('w') %}{{ 'ON' if w > 5 else 'OFF' }}", {"w": 3}, "OFF"),
        ("{{ 'ON' if value_json.p is defined and value_json.p else 'OFF' }}", {}, "OFF"),
        ("{{ value_json.p | default('OFF') }}", {}, "OFF"),
        ("{{ iif(value_json.on, 'ON', 'OFF') }}", {"on": True}, "ON"),
        ("{{ value_json.on | bool | iif('ON', 'OFF') }}", {"on": "off"}, "OFF"),
        ("{{ value_json.a ~ '-' ~ value_json.b }}", {"a": 1, "b": "x"}, "1-x"),
        ("{{ {'1': 'ON', '0': 'OFF'}[value] }}", "0", "OFF"),
        ("{{ ['OFF', 'ON'][value | int] }}", "1", "ON"),
        ("{{ 'ON' if value in ['1', 'hdmi'] else 'OFF' }}", "hdmi", "ON"),
        ("{{ value.split(',')[1] }}", "a,ON,c", "ON"),
        ("{{ value.replace('power_', '').upper() }}", "power_on", "ON"),
        ("{{ value | replace('power_', '') }}", "power_on", "on"),
        ("{{ 'ON' if value | int | bitwise_and(4) else 'OFF' }}", "6", "ON"),
        ("{{ value | round(1) }}", "3.14", "3.1"),
        ("{{ value | round }}", "3.7", "4"),
        ("{{ (value | float / 10) | round(1) }}", "415", "41.5"),
        ("{{ value | int }}", "3.7", "3"),
        ("{{ value | int(base=16) }}", "ff", "255"),
        ("{{ value | float(0) }}", "abc", "0"),
        ("{{ (value | from_json).p }}", {"p": "ON"}, "ON"),
        ("{{ value_json.s[0:2] }}", {"s": "ONLINE"}, "ON"),
        ("{{ 'ON' if value is is_number else 'OFF' }}", "7", "ON"),
        ("{{ value_json is defined }}", "plain", "False"),
        ("a fixed text", "x", "a fixed text"),
    ],
)
def test_what_is_evaluated(template: str | None, payload: Any, expected: str) -> None:
    """The templates that announcements hold, with Home Assistant's results."""
    assert reader(template)(raw(payload)) == expected


@pytest.mark.parametrize(
    ("template", "payload"),
    [
        ("{{ value_json.power }}", {"temp": 1}),
        ("{{ value_json.power }}", "ON"),
        ("{{ value_json.power }}", {"power": None}),
        ("{{ value_json.a[3] }}", {"a": [1]}),
        ("{{ 'ON' if value_json.power == 1 else 'OFF' }}", {"temp": 1}),
        ("{{ value_json.power | upper }}", {"temp": 1}),
        ("{{ value_json.power | is_defined }}", {"temp": 1}),
        ("{{ value | float }}", "abc"),
        ("{{ value | int }}", "1e999"),
        ("{{ value | bool }}", "purple"),
        ("{{ 1 / value | int }}", "0"),
        ("{{ value_json.get(1, 2, 3) }}", {"a": 1}),
        ("{{ value | upper }}", "x" * (TEXT_MAX_CHARACTERS + 1)),
    ],
)
def test_a_message_that_a_template_makes_nothing_of(template: str, payload: Any) -> None:
    """What a message does not hold is not known: it is neither off nor 0."""
    read = reader(template)
    with pytest.raises(Unreadable):
        read(raw(payload))


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("{{ value | regex_replace('a', 'b') }}", "the filter 'regex_replace'"),
        ("{{ value | map('upper') | list }}", "the filter"),
        ("{{ '%9999999999d' | format(1) }}", "the filter 'format'"),
        ("{{ value | center(999999999) }}", "the filter 'center'"),
        ("{{ value | indent(999999999) }}", "the filter 'indent'"),
        ("{{ value | urlize }}", "the filter 'urlize'"),
        ("{{ value is match('x') }}", "the test 'match'"),
        ("{{ states('sensor.x') }}", "states()"),
        ("{{ now().hour }}", "now()"),
        ("{{ range(10**9) | sum }}", "the filter 'sum'"),
        ("{{ this.state }}", "'this'"),
        ("{{ entity_id }}", "'entity_id'"),
        ("{{ value.format(1) }}", ".format()"),
        ("{{ value.ljust(99999999) }}", ".ljust()"),
        ("{{ value.__class__.__mro__ }}", ""),
        ("{% for i in range(10**9) %}{% for j in range(10**9) %}x{% endfor %}{% endfor %}", "'for'"),
        ("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "a()"),
        ("{% macro a() %}x{% endmacro %}", "'macro'"),
        ("{% import 'x' as y %}", "'import'"),
        ("{% include 'x' %}", "'include'"),
        ("{% set ns = namespace(a=1) %}", "namespace()"),
        ("{{ 10 ** 10 ** 10 }}", "'pow'"),
        ("{{ value(*[1]) }}", ""),
        ("{{ [value, value] }}", "a list"),
        ("{{ {'a': value} }}", "an object"),
        ("{{ value", "unexpected end"),
        ("{{ value | }}", ""),
        ("{{ " + "(" * 900 + "value" + ")" * 900 + " }}", "nested too deeply"),
        ("{{ " + "not " * 60 + "value }}", "nested too deeply"),
        ("{{ value ~ " + "value ~ " * 230 + "'' }}", "nested too deeply"),
        ("{{ value }}" + "x" * SOURCE_MAX_CHARACTERS, "longer than"),
    ],
)
def test_what_is_refused(template: str, named: str) -> None:
    """The reason names it."""
    with pytest.raises(Unreadable) as refused:
        reader(template)(b"x")
    assert named in str(refused.value)


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 1000000000 }}",
        "{{ value * 1000000000 }}",
        "{{ '%9999999999d' % 1 }}",
        "{{ '%s%s' % ('a', 'b') }}",
        "{% set a = value ~ value %}" + "{% set a = a ~ a %}" * 12 + "{{ a }}",
        "{% set a = value + value %}" + "{% set a = a + a %}" * 12 + "{{ a }}",
        "{% set a = 99 %}" + "{% set a = a * a %}" * 20 + "{{ a }}",
        "{% set a = value | replace('x', 'xxxxxxxxxx') %}"
        + "{% set a = a | replace('x', 'xxxxxxxxxx') %}" * 20
        + "{{ a }}",
        "{% set a = value.replace('', 'xxxxxxxxxx') %}" + "{% set a = a.replace('', 'xxxxxxxxxx') %}" * 3 + "{{ a }}",
        "{% set a = ['b', 'b'] %}" + "{% set a = (a, a) %}" * 20 + "{{ a }}",
        "{% set a = value %}" + "{{ a }}" * 250,
        "{{ value | multiply(1e300) }}",
    ],
)
def test_what_would_grow(template: str) -> None:
    """A template that the sandbox alone would let fill the memory ends at once, and small."""
    payload = b"x" * TEXT_MAX_CHARACTERS
    began_s = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable):
            reader(template)(payload)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 20_000_000
    assert time.process_time() - began_s < 2.0


def test_paths_need_no_template_engine() -> None:
    """Only a template that is more than a path makes the agent import Jinja2."""
    code = (
        "import sys\n"
        "from agent.probes.whiteboard.template import reader\n"
        "assert reader('{{ value_json.a }}')(b'{\"a\": 1}') == '1'\n"
        "assert 'jinja2' not in sys.modules\n"
        "assert reader('{{ value | upper }}')(b'a') == 'A'\n"
        "assert 'jinja2' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
