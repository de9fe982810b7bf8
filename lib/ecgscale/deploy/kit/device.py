"""What a kit does on the machine it was taken to: check every answer, measure, and write a bundle. Its files were
compared with its list before (assets/kit/measure.py)."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ecgscale.contracts.digests import file_digest
from ecgscale.contracts.reading import ContractError, read_json, read_text
from ecgscale.deploy import session
from ecgscale.deploy.apart import Apart
from ecgscale.deploy.kit import pack
from ecgscale.deploy.runtimes import DeployedModel
from ecgscale.errors import UserError

LIST, SCHEMA = "kit.json", "ecgscale.kit/1"
RUNTIMES = ("onnxruntime", "openvino", "coreml", "litert")


class Members(dict):
    """A JSON object whose members are read as attributes, as those of the document it was written from."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def members(value: Any) -> Any:
    if isinstance(value, dict):
        return Members({name: members(inner) for name, inner in value.items()})
    return [members(inner) for inner in value] if isinstance(value, list) else value


def opened(folder: Path) -> Members:
    """kit.json. Raises ContractError where it is none."""
    path = folder / LIST
    kit = members(read_json(read_text(path), path))
    if not isinstance(kit, Members) or kit.get("schema") != SCHEMA:
        raise ContractError(f"is not the list of a kit ({SCHEMA})", file=path, remedy="Unpack the kit again")
    return kit


def models_of(folder: Path, kit: Members) -> list[DeployedModel]:
    """The kit's models, with the files that it brought."""
    found = []
    for one in kit.models:
        place = folder / one.folder
        brought = [artefact for artefact in one.export.artefacts if artefact.file and (place / artefact.file).exists()]
        found.append(DeployedModel.checked(place, Members(one.export | {"artefacts": brought})))
    return found


def working() -> list[str]:
    """The runtimes that have a device here."""
    with Apart() as apart:
        known = session.list_devices(RUNTIMES, apart)
    return [name for name in RUNTIMES if any(one.available for one in known if one.runtime == name)]


def measure(folder: Path, runtimes: Iterable[str], devices: Iterable[str], machine: str, threads: int,
            out: Path | None) -> Path:
    """Check the answers, then measure. Gives the bundle's place. Raises UserError."""
    kit = opened(folder)
    machine, runtimes = machine or platform.node(), list(runtimes) or working()
    if not runtimes:
        raise UserError(f"none of {', '.join(RUNTIMES)} works here",
                        remedy="README.md says what to install; --list, why")
    out = out or Path(f"bundle-{''.join(sign if sign.isalnum() else '-' for sign in machine)[:60]}.zip")
    deploy = SimpleNamespace(**kit.deploy)
    done = session.run(models_of(folder, kit), runtimes, list(devices), deploy, threads, machine, ahead=True)
    kept = pack.write(done, kit, file_digest(folder / LIST, 64), out)
    print("\n".join(told(done)))
    print(f"{out}: send this file as it is. Its digest: {kept}")
    return out


def told(done: session.Session) -> list[str]:
    """For the terminal: a line a configuration."""
    lines = [f"{session.describe(one)}: {why}" for one, why in done.absent]
    for one, blocks in done.blocks.items():
        stands = [block for (_, block), reason in zip(blocks, done.verdicts(one), strict=True) if not reason]
        if one in done.broken:
            text = f"{done.broken[one]['status']}: {done.broken[one]['reason']}"
        elif stands:
            ran = stands[0].columns
            text = (f"{np.median([np.median(block.times) for block in stands]):.3f} ms a call (median; "
                    f"{len(stands)} of {len(blocks)} blocks stand), ran {ran['ran_precision']} on {ran['ran_device']}"
                    + (" (NOT what was asked)" if ran["fallback"] else ""))
        else:
            text = f"no block stands: {done.verdicts(one)[0]}"
        lines.append(f"{session.describe(one)}: {text}")
    return lines


def listing(runtimes: Iterable[str]) -> str:
    return session.listing(list(runtimes) or RUNTIMES)
