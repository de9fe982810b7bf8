"""Tensor files (safetensors) that hold the digest of their own content: a flipped byte is found when they are read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from ecgscale.contracts.output import marked, whole
from ecgscale.contracts.reading import ContractError, plain_file, reading

SCHEMA = "ecgscale.tensors/1"
wrote_tensors = marked(b'"ecgscale":')


def write_tensors(path: Path | str, tensors: dict[str, Any], about: dict[str, Any]) -> None:
    """A safetensors file of torch's tensors; `about` (JSON) and a digest of everything stand in its header.

    Who may read the folder may read it: the library keeps it to its owner. Raises OSError where the disk is full, which
    the library tells in words alone.
    """
    import safetensors.torch  # with torch

    path = Path(path)
    told = json.dumps({"schema": SCHEMA, **about, "digest": content_digest(tensors, about)})
    with whole(path, wrote_tensors) as temporary:
        try:    # one entry: the order of several is not the same in every file
            safetensors.torch.save_file(tensors, temporary, metadata={"ecgscale": told})
        except safetensors.SafetensorError as error:
            number = re.search(r"os error (\d+)", str(error))
            if not number:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None
        temporary.chmod(path.parent.stat().st_mode & 0o666)


def read_tensors(path: Path | str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `write_tensors` was given: about, tensors. Raises ContractError where they are not to the byte what it was.

    The library holds every length of the header against the file's before it reads.
    """
    import safetensors

    with reading(plain_file(path), "tensor file"), safetensors.safe_open(path, framework="pt") as file:
        about = json.loads((file.metadata() or {}).get("ecgscale", "null"))
        tensors = {name: file.get_tensor(name) for name in file.offset_keys()}
    if not isinstance(about, dict):
        raise ContractError("names no ecgscale in its header: it was written by another program", file=path)
    schema, found = about.pop("schema", None), about.pop("digest", None)
    if schema is None and found is None:
        print(f"{path}: keeps no digest, as files of earlier versions: not checked", file=sys.stderr, flush=True)
    elif schema != SCHEMA or found != content_digest(tensors, about):
        raise ContractError("its digest is not that of its content: it was changed or damaged", file=path)
    return about, tensors


def content_digest(tensors: dict[str, Any], about: dict[str, Any]) -> str:
    """SHA-256, 16 hex digits, of names, types, shapes and bytes, and of what is said about them."""
    import torch

    total = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()[:16]
