"""Documents by their declared types: every member present, of its type, and any value that this type allows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from hypothesis import strategies as st

import ecgscale.contracts  # noqa: F401 - declares them
from ecgscale.contracts import PlannedRun
from ecgscale.contracts.files import Document, Part
from ecgscale.contracts.rounds import Foretold

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
ASCII = st.characters(codec="ascii")        # of patterns: what else is a digit differs between engines
WORDS = st.text(st.characters(codec="utf-8"), max_size=8)
SIMPLE = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | NUMBERS | WORDS
ANYTHING = SIMPLE | st.lists(SIMPLE, max_size=3) | st.dictionaries(WORDS, SIMPLE, max_size=3)


def below(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


DOCUMENTS = sorted((kind for kind in below(Document) if "NAME" in vars(kind)), key=lambda kind: kind.NAME)

# What the validators of a document ask for.
OF_SHARD = {"found": st.just(3), "accepted": st.just(2), "rejected": st.just(1),    # found = accepted + rejected
            "classes": st.lists(WORDS, max_size=3, unique=True).map(tuple),
            "recipe": st.fixed_dictionaries({"name": WORDS}, optional={"rate": SIMPLE})}
OF_ROUND = {"response": st.just("valid_loss"), "foretold": st.just((Foretold(response="valid_loss", value=0.5, low=0.25,
                                                                              high=1.0),)),
            "runs": st.tuples(st.from_type(PlannedRun))}


def of(annotation: Any) -> st.SearchStrategy:
    """Hypothesis takes no `Any` inside a type, so the two containers that hold it are made here."""
    if annotation is Any:
        return ANYTHING
    if "Any" in re.findall(r"\w+", str(annotation)):
        inner = of(get_args(annotation)[-1])
        return (st.lists(inner, max_size=2) if get_origin(annotation) is list
                else st.dictionaries(WORDS, inner, max_size=3))
    return st.from_type(annotation)


def register() -> None:
    st.register_type_strategy(float, NUMBERS)
    st.register_type_strategy(str, WORDS)
    for kind in below(Part):
        told = {name: of(field.annotation) for name, field in kind.model_fields.items()
                if "Any" in re.findall(r"\w+", str(field.annotation))}
        told |= {name: st.from_regex(pattern, fullmatch=True, alphabet=ASCII)
                 for name, field in kind.model_fields.items()
                 for pattern in (getattr(one, "pattern", None) for one in field.metadata) if pattern}
        told |= {"Shard": OF_SHARD, "Round": OF_ROUND}.get(kind.__name__, {})
        st.register_type_strategy(kind, st.builds(kind, **told))


register()


def body_of(document: Document) -> dict[str, Any]:
    return {"schema": document.schema_id(), **document.model_dump(mode="json")}
