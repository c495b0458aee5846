"""Evaluates templates that somebody in the school's network wrote, in bounded time and memory.

Jinja2's sandbox keeps a template away from Python, not from ``'a' * 10**9`` or a loop in a loop. So only what is
listed here is evaluated: no loops, macros or imports, hence no more steps than the source has nodes; no step makes a
text longer than ``TEXT_MAX_CHARACTERS``, counts beyond ``NUMBER_MAX`` or searches by a pattern; literal lists hold
constants only, as a list of lists of lists is short to write and endless to print. Whatever else a template uses makes
it unreadable, by name (docs/decisions/0026).

Filters do what Home Assistant's do where Jinja2's differ: a word is no number (Jinja2's ``float`` makes 0 of it). A
value that the message does not hold is an error, unless the template says what to do then: not known is never "off".
"""

import contextlib
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any

import msgspec
from jinja2 import StrictUndefined, TemplateError, Undefined, nodes
from jinja2.environment import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent.probes.whiteboard.values import Read, Unreadable, decoded, shown

TEXT_MAX_CHARACTERS = 16_384
NUMBER_MAX = 2**53
NODES_MAX = 300
DEPTH_MAX = 30

_ABSENT = object()
"""Stands for a default that was not given: None may be one."""

_PLAIN = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.Slice,
    nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Dict, nodes.Keyword,
    nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos,
)  # fmt: skip
"""What is harmless whatever it holds, as each of its parts is looked at, too."""
_METHODS = {
    "capitalize", "endswith", "get", "isdigit", "isnumeric", "lower", "lstrip", "replace", "rstrip", "split",
    "startswith", "strip", "title", "upper",
}  # fmt: skip
"""Of texts and objects; none returns more than it was given, but ``replace``, which becomes the filter."""

_TESTS = {
    "!=", "<", "<=", "==", ">", ">=", "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float",
    "ge", "greaterthan", "gt", "in", "integer", "le", "lessthan", "lt", "mapping", "ne", "none", "number", "odd",
    "is_number", "sameas", "sequence", "string", "true", "undefined",
}  # fmt: skip
_YES, _NO = {"1", "true", "yes", "on", "enable"}, {"0", "false", "no", "off", "disable"}


# --- filters --------------------------------------------------------------------------------------------------------


def _number(convert: Callable[[Any], Any], value: Any, default: Any) -> Any:
    if isinstance(value, Undefined) and default is not _ABSENT:
        return default
    try:
        number = convert(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isfinite(number):
        return number
    if default is _ABSENT:
        raise Unreadable(f"{shown(value)} is no number")
    return default


def _float(value: Any, default: Any = _ABSENT) -> Any:
    return _number(float, value, default)


def _int(value: Any, default: Any = _ABSENT, base: int = 10) -> Any:
    """``int`` of Home Assistant: 3.7 and "3.7" are 3."""

    def convert(each: Any) -> int:
        if isinstance(each, str) and base != 10:
            return int(each, base)
        return int(float(each)) if isinstance(each, str) else int(each)

    return _number(convert, value, default)


def _bool(value: Any, default: Any = _ABSENT) -> Any:
    text = "" if isinstance(value, Undefined) else str(value).strip().casefold()
    if text in _YES | _NO:
        return text in _YES
    if default is _ABSENT:
        raise Unreadable(f"{shown(value)} is neither true nor false")
    return default


def _round(value: Any, precision: int = 0, method: str = "common", default: Any = _ABSENT) -> Any:
    number = _float(value, default)
    if not isinstance(number, float) or not isinstance(precision, int) or abs(precision) > 12:
        return number
    ways: Mapping[str, Callable[[float], float]] = {"ceil": math.ceil, "floor": math.floor}
    scale = 10.0**precision
    rounded = ways[method](number * scale) / scale if method in ways else round(number, precision)
    return int(rounded) if precision == 0 else rounded


def _iif(value: Any, if_true: Any = True, if_false: Any = False, if_none: Any = _ABSENT) -> Any:  # noqa: FBT002
    if value is None and if_none is not _ABSENT:
        return if_none
    return if_true if value else if_false


def _is_defined(value: Any) -> Any:
    if isinstance(value, Undefined):
        raise Unreadable("the message does not hold it")
    return value


def _replace(value: Any, old: Any, new: Any, count: int | None = None) -> str:
    text, old, new = str(value), str(old), str(new)
    many = text.count(old) if count is None else count
    _bounded(len(text) + many * len(new))
    return text.replace(old, new, -1 if count is None else count)


def _is_number(value: Any) -> bool:
    return _number(float, value, None) is not None


def _calculated(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A filter of two numbers."""

    def calculate(value: Any, operand: Any) -> Any:
        left, right = _float(value), _float(operand)
        if not (_is_small(left) and _is_small(right)):
            raise Unreadable(f"its template calculates with {shown(left)} and {shown(right)}")
        whole = left.is_integer() and right.is_integer()
        return operation(int(left), int(right)) if whole else operation(left, right)

    return calculate


def _from_json(value: Any) -> Any:
    return decoded(str(value))


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


_FILTERS: Mapping[str, Callable[..., Any]] = {
    "add": _calculated(operator.add), "bitwise_and": _calculated(operator.and_), "bool": _bool, "float": _float,
    "from_json": _from_json, "iif": _iif, "int": _int, "is_defined": _is_defined, "is_number": _is_number,
    "multiply": _calculated(operator.mul), "replace": _replace, "round": _round, "to_json": _to_json,
}  # fmt: skip
_OF_JINJA = {
    "abs", "capitalize", "count", "d", "default", "first", "last", "length", "lower", "string", "title", "trim",
    "upper",
}  # fmt: skip
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "bool": _bool, "float": _float, "iif": _iif, "int": _int, "is_number": _is_number,
}  # fmt: skip


# --- the sandbox ----------------------------------------------------------------------------------------------------


def _bounded(length: int) -> None:
    if length > TEXT_MAX_CHARACTERS:
        raise Unreadable(f"its template makes more than {TEXT_MAX_CHARACTERS:,} characters")


class _Environment(ImmutableSandboxedEnvironment):
    """Without what grows: texts are added up to a length, and never multiplied or formatted."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            _bounded(len(left) + len(right))
        elif not (_is_small(left) and _is_small(right)):
            raise Unreadable(f"its template calculates {shown(left)} {operator} {shown(right)}")
        return super().call_binop(context, operator, left, right)


def _is_small(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= NUMBER_MAX


def _environment() -> _Environment:
    """Unfolded: constants are calculated when the template is evaluated, within the bounds."""
    environment = _Environment(undefined=StrictUndefined, optimized=False, autoescape=False, cache_size=0)
    environment.globals = dict(_FUNCTIONS)
    environment.filters = {name: environment.filters[name] for name in _OF_JINJA} | dict(_FILTERS)
    environment.tests = {name: each for name, each in environment.tests.items() if name in _TESTS}
    environment.tests["is_number"] = _is_number
    return environment


_ENVIRONMENT = _environment()


def reader(source: str) -> Read:
    """What evaluates ``source`` with a message's ``value`` and ``value_json``.

    Raises:
        Unreadable: ``source`` is no template, or uses what is not listed here.
    """
    try:
        tree = _ENVIRONMENT.parse(source)
        _check(tree)
        code = _ENVIRONMENT.compile(_growing_as_addition(tree))
    except TemplateError as error:
        raise Unreadable(f"its template {shown(source)} is not understood: {error}") from None
    except (RecursionError, MemoryError, SyntaxError):
        raise Unreadable(f"its template {shown(source)} is nested too deeply") from None
    template = Template.from_code(_ENVIRONMENT, code, dict(_FUNCTIONS))
    return lambda payload: _rendered(template, payload)


def _rendered(template: Template, payload: bytes) -> str:
    text = payload.decode(errors="replace")
    if len(text) > TEXT_MAX_CHARACTERS:
        raise Unreadable(f"its template is not evaluated for a message of more than {TEXT_MAX_CHARACTERS:,} characters")
    names: dict[str, Any] = {"value": text}
    with contextlib.suppress(Unreadable):  # then the name is undefined, as in Home Assistant
        names["value_json"] = decoded(text)
    parts: list[str] = []
    length = 0
    try:
        for part in template.generate(names):
            length += len(part)
            _bounded(length)
            parts.append(part)
    except TemplateError as error:
        raise Unreadable(f"its template makes nothing of {shown(text)}: {error}") from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise Unreadable(f"its template fails on {shown(text)}: {error}") from None
    return "".join(parts).strip()


def _check(tree: nodes.Template) -> None:
    """Refuse whatever is not listed."""
    names = {"value", "value_json", *(node.name for node in tree.find_all(nodes.Name) if node.ctx == "store")}
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    count = 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if count > NODES_MAX or depth > DEPTH_MAX:
            raise Unreadable("its template is too long or nested too deeply")
        if found := _unlisted(node, names):
            raise Unreadable(f"its template uses {found}")
        waiting += [(child, depth + 1) for child in node.iter_child_nodes()]


def _unlisted(node: nodes.Node, names: set[str]) -> str:
    """What ``node`` uses that is not listed here; "" = nothing."""
    match node:
        case nodes.Filter(name=name, dyn_args=None, dyn_kwargs=None):
            return "" if name in _FILTERS or name in _OF_JINJA else f"the filter {name!r}"
        case nodes.Test(name=name, dyn_args=None, dyn_kwargs=None):
            return "" if name in _TESTS else f"the test {name!r}"
        case nodes.Name(name=name, ctx="load"):
            return "" if name in names or name in _FUNCTIONS else repr(name)
        case nodes.Call(node=nodes.Name(name=name), dyn_args=None, dyn_kwargs=None):
            return "" if name in _FUNCTIONS else f"{name}()"
        case nodes.Call(node=nodes.Getattr(attr=name), dyn_args=None, dyn_kwargs=None):
            return "" if name in _METHODS else f".{name}()"
        case nodes.List(items=items) | nodes.Tuple(items=items):
            return "" if _are_constant(items) else "a list of what are no constants"
        case nodes.Pair(key=key, value=value):
            return "" if _are_constant([key, value]) else "an object of what are no constants"
        case nodes.Assign(target=nodes.Name(ctx="store")) | nodes.Name(ctx="store"):
            return ""
        case _:
            return "" if isinstance(node, _PLAIN) else f"{type(node).__name__.lower()!r}"


def _are_constant(items: Iterable[nodes.Node]) -> bool:
    return all(isinstance(item, nodes.Const) for item in items)


def _growing_as_addition(node: Any) -> Any:
    """The tree with ``a ~ b`` as an addition of texts and ``.replace()`` as the filter: both are bounded there."""
    for field, value in node.iter_fields():
        if isinstance(value, list):
            setattr(
                node, field, [_growing_as_addition(each) if isinstance(each, nodes.Node) else each for each in value]
            )
        elif isinstance(value, nodes.Node):
            setattr(node, field, _growing_as_addition(value))
    if isinstance(node, nodes.Concat):
        return reduce(lambda left, right: nodes.Add(left, right, lineno=node.lineno), map(_as_text, node.nodes))
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr == "replace":
        return nodes.Filter(node.node.node, "replace", node.args, node.kwargs, None, None, lineno=node.lineno)
    return node


def _as_text(node: nodes.Expr) -> nodes.Expr:
    return nodes.Filter(node, "string", [], [], None, None, lineno=node.lineno)
