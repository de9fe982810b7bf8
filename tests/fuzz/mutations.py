"""Files that are nearly right: valid ones with a few edits, by bytes, by words and by values."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

WORDS = tuple(word if isinstance(word, bytes) else word.encode("utf-8", "surrogatepass") for word in (
    "", " ", "0", "-0", "-1", "1", "7", "12", "16", "nan", "NaN", "inf", "-inf", "Infinity", "1e999", "-1e308",
    "1e-320", "0.5", "1,5", "1_000", "0x10", "0o17", "1e3", "255", "-32768", "65536", "2147483648", "4294967296",
    "9" * 19, "9" * 400, "1" * 5000, "²", "१२", "1²", "\ud800", "é", "\u2028", "\ufeff", "\x00", "\x1a", b"\xff\xfe",
    b"\x85", "../outside", "../outside.dat", "/etc/passwd", "C:\\x", ".", "..", "~", "-", "a" * 300, " " * 30_000, "\n",
    "\r", "\r\n", "\n\n", "\t", ",", ";", "|", '"', "'", '""', "#", "# ", "%", "=", "=1+1", "@x", "'=1", "`", "\\",
    "(", ")", "[", "]", "{", "}", "[" * 2000, "{a: " * 200, "&a ", "*a", "&a [*a, *a]", "<<: *a",
    "!!python/object/apply:os.system [ls]",
    "!!binary x", "!x y", "? ", ": ", "- ", "---\n", "%YAML 9\n", "2024-01-01", "12:30:45", "true", "TRUE", "no",
    "null", "None", "N/A", "<script>alert(1)</script>", "$(touch x)", "x;y", "__class__", "record", "schema", "name"))
TOKEN = re.compile(rb"[\w.+\-]+")


def edited(content: bytes, edits: Sequence[tuple[str, int, bytes]]) -> bytes:
    """Content after edits (what, where, with what); where is taken modulo what there is."""
    for what, where, word in edits:
        where %= len(content) + 1
        size = 1 + len(word) % 64
        if what == "flip":
            content = content[:where] + bytes(byte ^ (1 << len(word) % 8) for byte in content[where : where + 1]) + \
                content[where + 1 :]
        elif what == "insert":
            content = content[:where] + word + content[where:]
        elif what == "overwrite":
            content = content[:where] + word + content[where + len(word) :]
        elif what == "delete":
            content = content[:where] + content[where + size :]
        elif what == "cut":
            content = content[:where]
        elif what == "repeat":
            content = content[:where] + content[where : where + size] * (1 + len(word) % 40) + content[where + size :]
        elif what == "line":            # one line less, or the same again
            lines = content.split(b"\n")
            place = where % len(lines)
            content = b"\n".join(lines[:place] + lines[place : place + 1] * (2 * (size % 2)) + lines[place + 1 :])
        elif what == "token":           # a number or name becomes another
            tokens = list(TOKEN.finditer(content))
            if tokens:
                found = tokens[where % len(tokens)]
                content = content[: found.start()] + word + content[found.end() :]
    return content


DEEPEST = 20
PLACES = st.integers(0, 1 << 20) | st.integers(0, 200)
OF_BYTES = ("flip", "insert", "overwrite", "delete", "cut", "repeat")


def edits(kinds: Sequence[str], most: int = 4) -> st.SearchStrategy[list]:
    words = st.sampled_from(WORDS) | st.binary(max_size=8)
    return st.lists(st.tuples(st.sampled_from(kinds), PLACES, words), min_size=1, max_size=most)


def binary(*seeds: bytes) -> st.SearchStrategy[bytes]:
    """A valid binary file with edits of its bytes."""
    return st.builds(edited, st.sampled_from(seeds), edits(OF_BYTES))


def text(*seeds: bytes) -> st.SearchStrategy[bytes]:
    """A valid text file with edits of its words and lines, at times of its bytes; or any text."""
    whole = st.builds(edited, st.sampled_from(seeds), edits((*OF_BYTES, *("token",) * 6, *("line",) * 2)))
    return st.one_of(whole, whole, whole, st.text(max_size=200).map(lambda made: made.encode("utf-8", "surrogatepass")))


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from([0, -1, 10**30, 2**63, 1e308, 1e-320, -0.0]),
    st.text(max_size=9), st.sampled_from([[], {}, "", "nan", "../outside", "<script>", "=1+1", "a" * 400, [[]],
                                          {"": None}, [None], "\ud800"]))


def places_of(value: Any, path: tuple = ()) -> list[tuple]:
    """The way to every value below this one, some steps deep."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if len(path) > DEEPEST:
        return [path]
    return [path, *(place for key, one in inner for place in places_of(one, (*path, key)))]


def changed(value: Any, changes: Sequence[tuple[int, str, Any]]) -> Any:
    """A JSON value with others put in, members left out, renamed or doubled."""
    value = json.loads(json.dumps(value))
    for where, what, shared in changes:
        odd = deepcopy(shared)      # what is put in may be changed by the next
        ways = [way for way in places_of(value) if way]
        if not ways:
            break
        *way, last = ways[where % len(ways)]
        holder = value
        for step in way:
            holder = holder[step]
        if what == "replace":
            holder[last] = odd
        elif what == "leave out":
            del holder[last]
        elif isinstance(holder, dict):
            holder[str(odd)[:40]] = holder[last]
        else:
            holder.insert(last, odd)
    return value


def json_of(*seeds: Any) -> st.SearchStrategy[bytes]:
    """A JSON document with odd values in it, or with edits of its text."""
    changes = st.lists(st.tuples(PLACES, st.sampled_from(["replace", "replace", "leave out", "add"]), ODD), min_size=1,
                       max_size=3)
    made = st.builds(changed, st.sampled_from(seeds), changes).map(lambda value: json.dumps(value).encode())
    return made | text(*(json.dumps(seed, indent=1).encode() for seed in seeds))
