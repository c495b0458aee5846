"""Where a module can be broken a little, and how: found in its syntax tree, written into its text."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

_FLIPPED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OTHER_WORD = {"yes": "no", "no": "unknown", "unknown": "no", "short": "unknown", "enough": "unknown"}
_OTHER_NAME = {"min": "max", "max": "min", "any": "all", "all": "any"}
_SHOWN_ONLY = (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)
"""What is in these decides nothing: it is text for people, or says where names come from."""
_HABITS = ("frozen", "kw_only", "strict", "maxsize", "gc")
"""Keywords that guard against programming errors, bound a cache or save memory: another value judges the same."""


class Mutant(NamedTuple):
    """``text`` is the whole module with the breakage in it; ``line`` and the two expressions are for people."""

    line: int
    before: str
    after: str
    text: str


class Found(NamedTuple):
    mutants: tuple[Mutant, ...]
    skipped_count: int
    """Places that were left out because a breakage there could not change any decision."""


def mutants_of(text: str) -> Found:
    """Every small breakage of one module."""
    tree = ast.parse(text)
    skipped = {id(node) for root in _left_out(tree) for node in ast.walk(root)}
    tests = {id(test) for node in ast.walk(tree) for test in _conditions(node)}
    found, skipped_count = list[Mutant](), 0
    for node in ast.walk(tree):
        for other in _breakages(node, is_condition=id(node) in tests):
            if id(node) in skipped:
                skipped_count += 1
            elif mutant := _written(text, node, other):
                found.append(mutant)
    return Found(tuple(found), skipped_count)


def _left_out(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, _SHOWN_ONLY) or (isinstance(node, ast.keyword) and node.arg in _HABITS):
            yield node
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from node.decorator_list
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal":
            yield node
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if annotation is not None:
                yield annotation


def _conditions(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        yield node.test
    elif isinstance(node, ast.comprehension):
        yield from node.ifs
    elif isinstance(node, ast.match_case) and node.guard is not None:
        yield node.guard


def _breakages(node: ast.AST, *, is_condition: bool) -> Iterator[ast.expr | str]:
    if is_condition:
        yield from ("True", "False")
    match node:
        case ast.Compare(left=left, ops=[*ops], comparators=others):
            for n, op in enumerate(ops):
                for flipped in _FLIPPED[type(op)]:
                    yield ast.Compare(left, [*ops[:n], flipped(), *ops[n + 1 :]], others)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            yield ast.BinOp(left, ast.Sub() if isinstance(op, ast.Add) else ast.Add(), right)
        case ast.Name(id=name, ctx=ast.Load()) if name in _OTHER_NAME:
            yield _OTHER_NAME[name]
        case ast.Constant(value=value):
            yield from _other_constants(value)


def _other_constants(value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield repr(not value)
    elif isinstance(value, int | float):
        yield from dict.fromkeys(repr(other) for other in (value + 1, value - 1, value * 2) if other != value)
    elif isinstance(value, str) and value in _OTHER_WORD:
        yield repr(_OTHER_WORD[value])


def _written(text: str, node: ast.AST, other: ast.expr | str) -> Mutant | None:
    """Write ``other`` over the text of ``node``; None where that is no program, or the same one."""
    assert isinstance(node, ast.expr)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    lines = text.encode().splitlines(keepends=True)
    begin = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    before = text.encode()[begin:end].decode()
    after = other if isinstance(other, str) else f"({ast.unparse(ast.fix_missing_locations(other))})"
    broken = (text.encode()[:begin] + after.encode() + text.encode()[end:]).decode()
    try:
        same = ast.dump(ast.parse(broken)) == ast.dump(ast.parse(text))
    except SyntaxError:
        return None
    return None if same else Mutant(node.lineno, before, after, broken)
