"""A bundle that a kit sent, read as the measuring run that it was. It comes from others: nothing of it is unpacked onto
the disk, nothing larger than announced and allowed is read, and one that was edited is refused."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgscale.contracts import Bundle, ContractError, Export, plain_file, read_arrays, read_json, reading
from ecgscale.contracts.deploy import BundleSetting
from ecgscale.contracts.reading import LARGEST_ARRAYS, LARGEST_DOCUMENT
from ecgscale.deploy.block import Block, Configuration
from ecgscale.deploy.control import Look
from ecgscale.deploy.kit import pack
from ecgscale.deploy.runtimes import MODULES
from ecgscale.deploy.session import Session

EDITED = "Send the file as the kit wrote it; what is wrong in it is measured again, not mended"


@dataclass(frozen=True, eq=False)
class TakenAlong:
    """What a bundle tells of a model: as much of a DeployedModel as its rows need."""

    export: Export
    layers: int


def read(path: Path) -> Session:
    """Raises ContractError where the file is no bundle, was edited or cut short, or contradicts itself."""
    text = document_of(path)
    body = read_json(text, path)
    bundle = Bundle.from_text(text, path)
    if bundle.digest != pack.own_digest(body):
        raise edited(path, f"{pack.DOCUMENT} is not what its own digest says")
    times = read_arrays(path, [pack.TIMES.removesuffix(".npy")]).get(pack.TIMES.removesuffix(".npy"))
    calls = sum(block.calls for setting in bundle.settings for block in setting.blocks)
    if times is None or times.shape != (calls, 2) or times.dtype != np.float64:
        raise edited(path, f"{pack.TIMES} does not hold the times of {calls} calls")
    if pack.digest_of(times) != bundle.times:
        raise edited(path, f"{pack.TIMES} is not what {pack.DOCUMENT} keeps a digest of")
    if not (np.isfinite(times).all() and (times >= 0).all() and (times[:, 0] > 0).all()):
        raise ContractError("holds times that are none", file=path, field=pack.TIMES)
    check(bundle, path)
    return session_of(bundle, times)


def document_of(path: Path) -> str:
    """The text of bundle.json, from a zip that holds it and times.npy, each once and of a size that is read."""
    largest = {pack.DOCUMENT: LARGEST_DOCUMENT, pack.TIMES: LARGEST_ARRAYS}
    with reading(plain_file(path), "bundle of a kit"), zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        names = [info.filename for info in infos]
        if foreign := next((name for name in names if name not in largest), None):
            raise ContractError(f"holds {foreign[:80]!r}, which no kit puts into a bundle", file=path, remedy=EDITED)
        if sorted(names) != sorted(largest):
            raise ContractError(f"must hold {' and '.join(largest)}, each once", file=path, remedy=EDITED)
        for info in infos:
            if info.file_size > largest[info.filename]:
                raise ContractError(f"{info.filename} has {info.file_size} bytes, at most {largest[info.filename]} are "
                                    "read", file=path)
        return archive.read(pack.DOCUMENT).decode()


def edited(path: Path, problem: str) -> ContractError:
    return ContractError(f"{problem}: it was edited or cut short", file=path, remedy=EDITED)


def check(bundle: Bundle, path: Path) -> None:
    """Raises ContractError where places lead nowhere, or a model has no input."""
    def refuse(problem: str, field: str) -> None:
        raise ContractError(problem, file=path, field=field)

    if not bundle.environment.machine:
        refuse("names no machine", "environment.machine")
    for model in bundle.models:
        if model.export.spec.window < 1 or not model.export.rate > 0:
            refuse("has no input", f"models.{model.export.label}")
    if twice(bundle.settings):
        refuse("holds a configuration twice", "settings")
    last = len(bundle.looks) - 1        # a block lies between two looks
    for place, setting in enumerate(bundle.settings):
        if setting.model >= len(bundle.models):
            refuse("names no model of the bundle", f"settings.{place}.model")
        if setting.runtime not in MODULES:
            refuse(f"{setting.runtime[:80]!r} is no runtime of ours", f"settings.{place}.runtime")
        if any(not 0 <= block.place < last for block in setting.blocks) and bundle.looks:
            refuse("lies beside no look at the control", f"settings.{place}.blocks")
    if any(ms <= 0 for pair in bundle.looks for ms in pair):
        refuse("holds times that are none", "looks")
    if bundle.looks and (bundle.control is None or not 0 <= bundle.control < len(bundle.settings)):
        refuse("names no configuration of the bundle", "control")


def twice(settings: tuple[BundleSetting, ...]) -> bool:
    return len({(one.model, *(getattr(one, name) for name in pack.SETTING)) for one in settings}) < len(settings)


def session_of(bundle: Bundle, times: np.ndarray) -> Session:
    models = [TakenAlong(model.export, model.layers) for model in bundle.models]
    parts = [configuration(setting, models) for setting in bundle.settings]
    blocks, start = [], 0
    for setting in bundle.settings:
        own = []
        for block in setting.blocks:
            calls = times[start : start + block.calls]
            own.append((block.place, Block(dict(block.columns), calls[:, 0], calls[:, 1], block.seconds)))
            start += block.calls
        blocks.append(own)
    return Session(
        dict(zip(parts, blocks, strict=True)), bundle.repeats, bundle.tolerance,
        broken={part: {"status": setting.status, "reason": setting.reason}
                for part, setting in zip(parts, bundle.settings, strict=True) if setting.status},
        control=parts[bundle.control] if bundle.looks else None, looks=[Look(*pair) for pair in bundle.looks],
        loop_us=bundle.loop_us, environment=surroundings(bundle))


def configuration(setting: BundleSetting, models: list[TakenAlong]) -> Configuration:
    return Configuration(models[setting.model], **{name: getattr(setting, name) for name in pack.SETTING})


def surroundings(bundle: Bundle) -> dict[str, Any]:
    """Members of the document Environment; the kit stands among the versions."""
    told = bundle.environment.model_dump()
    return told | {"versions": told["versions"] | {"kit": bundle.kit}}
