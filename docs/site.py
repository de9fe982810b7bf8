"""Hook of the documentation site (mkdocs.yml): a link that leaves docs/ becomes the path that it names."""

import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#:]+)(#[^)]*)?\)")
DOCS = Path(__file__).parent


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    here = (DOCS / page.file.src_uri).parent

    def inside(link: re.Match) -> str:
        path = (here / link[2]).resolve()
        known = path.is_relative_to(DOCS) and path.suffix in (".md", ".png")
        return link[0] if known else f"{link[1]} (`{path.relative_to(DOCS.parent)}`)"

    return LINK.sub(inside, markdown)
