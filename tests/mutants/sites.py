"""Small mistakes that could stand in a module: each place of its syntax tree where one thing may be another."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OTHER = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
         ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
         ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
         ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum", "maximum": "minimum",
         "floor": "ceil", "ceil": "floor"}
COMPILED = "compiled"           # the decorator of functions that no profiler sees


@dataclass(frozen=True)
class Site:
    """One mistake.

    lines: first and last of its statement (of an `if` or the like: before what it holds; of a default value: of the
    whole function), none where it runs as the module is imported. compiled: by numba.
    """

    file: str           # below the project
    start: tuple[int, int]      # line from 1, byte of the line from 0
    stop: tuple[int, int]
    text: str           # what stands there in the mutant
    was: str
    lines: tuple[int, int] | None
    compiled: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.start[0]}:{self.start[1] + 1}: {self.was} -> {self.text}"

    def applied(self, source: bytes) -> bytes:
        lines = source.splitlines(keepends=True)
        before = b"".join(lines[: self.start[0] - 1]) + lines[self.start[0] - 1][: self.start[1]]
        after = lines[self.stop[0] - 1][self.stop[1] :] + b"".join(lines[self.stop[0] :])
        return before + self.text.encode() + after


def sites(root: Path, file: Path) -> list[Site]:
    """All of a module, in order."""
    tree = ast.parse(file.read_bytes())
    name = file.relative_to(root).as_posix()
    return [Site(name, (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset), text,
                 " ".join(ast.unparse(node).split()), lines, compiled)
            for node, text, lines, compiled in mistakes(tree, None, False)]


def mistakes(node: ast.AST, lines: tuple[int, int] | None, compiled: bool,
             ) -> Iterator[tuple[ast.AST, str, tuple[int, int] | None, bool]]:
    """(node, text in its place, lines, compiled) of a node and all below, leaving out what nothing runs by:
    annotations, texts, decorators."""
    if isinstance(node, ast.FunctionDef):
        lines = node.lineno, node.end_lineno
        compiled = any(isinstance(one, ast.Name) and one.id == COMPILED for one in node.decorator_list)
    elif lines and isinstance(node, ast.stmt | ast.match_case):
        first = first_line(node)
        held = getattr(node, "body", None) or getattr(node, "cases", None)
        lines = first, max(first, first_line(held[0]) - 1) if held else node.end_lineno
    for text in others(node):
        yield node, text, lines, compiled
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list") or isinstance(node, ast.JoinedStr):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from mistakes(child, lines, compiled)


def first_line(node: ast.stmt | ast.match_case) -> int:
    return node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno


def others(node: ast.AST) -> Iterator[str]:
    """What could stand in a node's place."""
    def changed(**fields) -> str:
        made = copy.copy(node)
        for name, value in fields.items():
            setattr(made, name, value)
        return f"({ast.unparse(made)})"

    match node:
        case ast.Compare():
            for place, op in enumerate(node.ops):
                yield changed(ops=[*node.ops[:place], OTHER[type(op)](), *node.ops[place + 1 :]])
        case ast.BinOp(op=op) | ast.BoolOp(op=op) if type(op) in OTHER:
            yield changed(op=OTHER[type(op)]())
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield f"({ast.unparse(operand)})"
        case ast.Constant(value=bool(value)):
            yield str(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield f"({value + 1!r})"
        case ast.Call(func=ast.Name(id=name)) if name in NAMES:
            yield changed(func=ast.Name(NAMES[name]))
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr=name)) if name in NAMES:
            yield changed(func=ast.Attribute(node.func.value, NAMES[name]))
        case ast.IfExp():
            yield changed(body=node.orelse, orelse=node.body)
        case ast.Return(value=ast.expr()):
            yield "return None"
        case ast.Expr(value=ast.Call()) | ast.Raise():
            yield "pass"
