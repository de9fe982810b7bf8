"""Columns made from others by arithmetic that the user gave: "tokens=train_flops/6/params". Parsed, never evaluated."""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping

import numpy as np

from ecgscale.errors import UserError

OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
              ast.Pow: np.power}
SIGNS = {ast.USub: operator.neg, ast.UAdd: operator.pos}
LONGEST = 200           # characters of an expression
REMEDY = "Write numbers, names of columns, + - * / ** and brackets"


def derived(expression: str, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """(row,) the expression's value; not finite where a column has no value there. Raises UserError."""
    if len(expression) > LONGEST:
        raise UserError(f"an expression of more than {LONGEST} characters", field="--derive", remedy=REMEDY)
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UserError(f"{expression!r} is no arithmetic expression", field="--derive", remedy=REMEDY) from None
    with np.errstate(all="ignore"):
        return np.asarray(value_of(tree, columns, expression), dtype=float)


def value_of(node: ast.expr, columns: Mapping[str, np.ndarray], expression: str) -> np.ndarray | np.float64:
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        sides = (value_of(side, columns, expression) for side in (node.left, node.right))
        return OPERATIONS[type(node.op)](*sides)
    if isinstance(node, ast.UnaryOp) and type(node.op) in SIGNS:
        return SIGNS[type(node.op)](value_of(node.operand, columns, expression))
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return np.float64(node.value)
    if isinstance(node, ast.Name):
        if node.id not in columns:
            raise UserError(f"no column of numbers {node.id!r}", field="--derive",
                            remedy=f"There are: {', '.join(sorted(columns))}")
        return columns[node.id]
    raise UserError(f"{ast.unparse(node)!r} in {expression!r} is no arithmetic", field="--derive", remedy=REMEDY)
