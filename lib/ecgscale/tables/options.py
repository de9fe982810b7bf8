"""Options of a command that reads a run table: what the user says of its columns."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ecgscale.errors import UserError
from ecgscale.tables.names import UNUSED, listing

if TYPE_CHECKING:
    from ecgscale.contracts import Reading


def add_reading(made: argparse.ArgumentParser) -> None:
    made.add_argument("--map", nargs="+", default=[], metavar="OURS=COLUMN",
                      help="which column is what: params=N 'samples_seen=Tokens (B)' score=mIoU; unused=COLUMN")
    made.add_argument("--response", nargs="+", default=[], metavar="COLUMN",
                      help="what to explain (default: the study's score, else every score and loss)")
    made.add_argument("--seed-column", metavar="COLUMN", help="what alone differs between repeats")
    made.add_argument("--configuration", nargs="+", default=[], metavar="COLUMN",
                      help="what defines a run but its seed: rows that share these are repeats")
    made.add_argument("--derive", nargs="+", default=[], metavar="NAME=EXPRESSION",
                      help="a column from others by arithmetic: samples_seen=train_flops/6/params")
    made.add_argument("--where", nargs="+", default=[], metavar="COLUMN=VALUE",
                      help="rows to read, where a table holds several metrics or tests: metric=mae set=test")
    made.epilog += f"\n\ncolumns that are known, and their other names (docs/reference/columns.md):\n{listing()}"


def reading(args: argparse.Namespace) -> Reading:
    """Raises UserError for a pair without "=" and for a name that is said twice."""
    from ecgscale.contracts import Reading  # not for --help: it takes a while

    said = pairs(args.map, "--map") + ([("seed", args.seed_column)] if args.seed_column else [])
    return Reading(roles=once([pair for pair in said if pair[0] != UNUSED], "--map"),
                   responses=tuple(args.response), configuration=tuple(args.configuration),
                   derived=once(pairs(args.derive, "--derive"), "--derive"),
                   unused=tuple(column for role, column in said if role == UNUSED),
                   where=once(pairs(args.where, "--where"), "--where"))


def pairs(texts: list[str], option: str) -> list[tuple[str, str]]:
    found = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name.strip() and value.strip()):
            raise UserError(f"{text!r} is no NAME=VALUE", field=option)
        found.append((name.strip(), value.strip()))
    return found


def once(said: list[tuple[str, str]], option: str) -> dict[str, str]:
    for name, _ in said:
        if len(values := [value for other, value in said if other == name]) > 1:
            raise UserError(f"{name} is said {len(values)} times: {', '.join(values)}", field=option,
                            remedy="Say it once")
    return dict(said)
