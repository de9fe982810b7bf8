"""YAML (and so JSON) that remembers its lines, read safely: no code, no endless aliases, no key given twice."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from ecgscale.contracts.reading import read_text
from ecgscale.errors import UserError

LARGEST_FILE = 200_000          # bytes, of which two seconds are read: files that a person writes are far below
DEEPEST = 50                    # brackets within brackets: the time of looking for keys grows with their square
LARGEST_TREE = 100_000          # values once aliases are written out


class Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-3 as a number, as YAML 1.2 and JSON do, and refuses a key named twice."""

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        if self.flow_level >= DEEPEST:
            raise yaml.scanner.ScannerError(None, None, f"more than {DEEPEST} brackets within brackets",
                                            self.get_mark())
        super().fetch_flow_collection_start(token)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


Loader.yaml_implicit_resolvers = {key: list(rules) for key, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"), list("-+.0123456789"))


def read(path: Path | str) -> tuple[Any, yaml.Node]:
    """The values of a YAML or JSON file, and the tree of nodes that knows their lines.

    Raises UserError for a file that is missing, too large, no UTF-8, no YAML, or holds no mapping.
    """
    path = Path(path)
    text = read_text(path, LARGEST_FILE)
    is_json = path.suffix == ".json"
    loader = None
    try:
        loader = Loader(text.replace("\t", " ") if is_json else text)      # YAML has no tabs between values
        tree = loader.get_single_node()
        if not isinstance(tree, yaml.MappingNode):
            raise UserError("holds no mapping of names to values", file=path, line=1)
        if tree_size(tree, {}) > LARGEST_TREE:
            raise UserError("aliases unfold into too many values", file=path, line=1)
        values = loader.construct_document(tree)
        return json.loads(text) if is_json else values, tree      # JSON spells its characters in a way of its own
    except json.JSONDecodeError as error:
        raise UserError(f"not valid JSON: {error.msg}", file=path, line=error.lineno) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise UserError(f"not valid YAML: {error.problem}", file=path, line=line) from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"not valid YAML: {str(error).splitlines()[0]}", file=path) from None
    finally:
        if loader is not None:
            loader.dispose()


def tree_size(node: yaml.Node, sizes: dict[int, int]) -> float:
    """Values below a node with aliases written out; infinite when an alias holds itself."""
    if id(node) not in sizes:
        sizes[id(node)] = float("inf")
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        sizes[id(node)] = 1 + (0 if isinstance(node, yaml.ScalarNode) else sum(tree_size(p, sizes) for p in parts))
    return sizes[id(node)]


def located(node: yaml.Node, loc: tuple) -> tuple[list[str | int], int]:
    """Follow pydantic's location through the YAML tree: the steps that exist in the file, and the last one's line.

    Steps that name a member of a union ("Range", "tuple[...]") are not in the file and are passed over.
    """
    place, line = [], node.start_mark.line + 1
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == step), None)
            if pair is None:
                continue
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            continue
        place.append(step)
    return place, line
