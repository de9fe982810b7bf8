"""The bundle that a kit writes: what was measured as it was measured, in one zip of a document and an array.

No statistic is made here: whoever reads it judges the blocks and reckons quantiles and intervals, as of own times.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgscale.contracts.digests import digest
from ecgscale.contracts.output import marked, whole

if TYPE_CHECKING:
    from ecgscale.deploy.kit.device import Members
    from ecgscale.deploy.session import Session

SCHEMA, DOCUMENT, TIMES = "ecgscale.bundle/1", "bundle.json", "times.npy"
SETTING = ("runtime", "device", "option", "scenario", "batch", "threads", "requests")
RIGHT = {"status": "", "reason": ""}


def write(session: Session, kit: Members, kit_digest: str, path: Path) -> str:
    """The bundle, whole or not at all. Gives its own digest, which stands in it, too."""
    labels = [model.export.label for model in kit.models]
    parts = [(one, blocks, session.broken.get(one, RIGHT)) for one, blocks in session.blocks.items()]
    parts += [(one, [], {"status": "unavailable", "reason": why}) for one, why in session.absent]
    settings = [{
        "model": labels.index(one.model.export.label), **{name: getattr(one, name) for name in SETTING},
        "blocks": [{"place": place, "calls": len(block.times), "seconds": block.seconds, "columns": block.columns}
                   for place, block in blocks],
        **problem} for one, blocks, problem in parts]
    times = [np.column_stack([block.times, block.copies]) for _, blocks, _ in parts for _, block in blocks]
    values = np.concatenate(times) if times else np.zeros((0, 2))
    body = {
        "schema": SCHEMA, "kit": kit_digest, "models": kit.models, "environment": session.environment,
        "repeats": session.repeats, "tolerance": session.tolerance, "loop_us": session.loop_us,
        "control": list(session.blocks).index(session.control) if session.looks else None,
        "looks": [[look.first, look.second] for look in session.looks], "settings": settings,
        "times": digest_of(values)}
    body["digest"] = digest(body, 64)
    with whole(path, marked(SCHEMA.split("/")[0].encode())) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.comment = SCHEMA.encode()
        document = json.dumps(body, indent=1, allow_nan=False).encode()
        for name, content in ((DOCUMENT, document), (TIMES, array_bytes(values))):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return body["digest"]


def array_bytes(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, values, allow_pickle=False)
    return content.getvalue()


def digest_of(values: np.ndarray) -> str:
    """SHA-256 of the times themselves, as float64 of little end first."""
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").tobytes()).hexdigest()


def own_digest(body: dict[str, Any]) -> str:
    """What the member `digest` must be."""
    return digest({name: value for name, value in body.items() if name != "digest"}, 64)
