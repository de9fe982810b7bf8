"""Documents as people edit them, without the digest that no longer holds."""

import json
from pathlib import Path
from typing import Any


def editable(path: Path) -> dict[str, Any]:
    """What a JSON document holds but its digest."""
    body = json.loads(path.read_text())
    del body["sha256"]
    return body
