"""A kit, folder or zip: models as EXPORT made them, the code that measures, and one list that vouches for all."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from ecgscale import __version__
from ecgscale.contracts import Kit, file_digest, marked, whole, whole_folder
from ecgscale.contracts.deploy import KitModel
from ecgscale.deploy.runtimes import SAMPLE, DeployedModel, tree_files
from ecgscale.design.study import Deploy
from ecgscale.errors import UserError
from ecgscale.paths import ASSETS, PACKAGE

FORMATS = ("onnx", "openvino", "coreml", "tflite")      # what a machine without torch can run
CODE = (
    "__init__", "errors", "paths", "command", "contracts/digests", "contracts/names", "contracts/output",
    "contracts/reading",
    "machine/__init__", "machine/confined", "machine/description", "machine/energy", "machine/processors",
    "machine/provenance", "deploy/__init__", "deploy/apart", "deploy/block", "deploy/control", "deploy/latency",
    "deploy/session", "deploy/kit/__init__", "deploy/kit/device", "deploy/kit/pack",
    "deploy/runtimes/__init__", "deploy/runtimes/onnxruntime_runtime", "deploy/runtimes/openvino_runtime",
    "deploy/runtimes/coreml_runtime", "deploy/runtimes/litert_runtime",
)
EMPTY = "contracts/__init__"                  # ours imports every table; what a kit needs, it names itself
LIST = "kit.json"
BEGINNING = (1980, 1, 1, 0, 0, 0)             # of all files in a zip: the same kit is the same file
MEMBERS = {LIST: Kit.wrote, "README.md": None, "measure.py": None, "code/*": None, "models/*": None}


def make(folders: Iterable[Path], deploy: Deploy, out: Path, formats: Iterable[str] = FORMATS) -> Kit:
    """Write the kit of these folders of ecg-export to `out`: a zip where that is its ending, else a folder.

    `deploy`: how is measured. Raises UserError for a folder without export, two models of one name, and models
    without a file of these formats.
    """
    models, formats = [DeployedModel.read(folder) for folder in folders], tuple(formats)
    labels = [model.export.label for model in models]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise UserError(f"two models are named {twice!r}", field="--models", remedy="Give each once")
    if out.suffix == ".zip":
        with whole(out, marked(LIST.encode())) as path, tempfile.TemporaryDirectory(dir=path.parent) as folder:
            kit = fill(Path(folder), models, deploy, formats)
            pack(Path(folder), path)
    else:
        with whole_folder(out, MEMBERS) as folder:
            folder.mkdir()
            kit = fill(folder, models, deploy, formats)
    return kit


def fill(folder: Path, models: list[DeployedModel], deploy: Deploy, formats: tuple[str, ...]) -> Kit:
    """The kit's files in an empty folder."""
    for name in ("README.md", "measure.py"):
        shutil.copyfile(ASSETS / "kit" / name, folder / name)
    for name in (*CODE, EMPTY):
        place = folder / "code" / "ecgscale" / f"{name}.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        if name == EMPTY:
            place.write_text("")
        else:
            shutil.copyfile(PACKAGE / f"{name}.py", place)
    for model in models:
        copy_model(model, folder / "models" / model.export.label, formats)
    kit = Kit(
        ecgscale=__version__, deploy=deploy.model_dump(mode="json", include=set(Kit.ASKED)),
        models=tuple(KitModel(folder=f"models/{model.export.label}", export=model.export, layers=model.layers)
                     for model in models),
        files={path.relative_to(folder).as_posix(): file_digest(path, 64) for path in files(folder)})
    kit.write(folder / LIST)
    return kit


def copy_model(model: DeployedModel, folder: Path, formats: tuple[str, ...]) -> None:
    """The model's files of these formats, and its sample. Raises UserError where there is none."""
    kept = [artefact for artefact in model.export.artefacts if artefact.file and artefact.format in formats]
    if not kept:
        raise UserError(f"has no file as {' or '.join(formats)}", file=model.folder, field="artefacts",
                        remedy="Export it so (deploy.formats of the study), or give other --formats")
    for artefact in kept:
        for path in tree_files(model.path(artefact)):
            copy(path, folder / path.relative_to(model.folder.resolve()))
    for name in SAMPLE:
        copy(model.folder / name, folder / name)


def copy(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, place)


def files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def pack(folder: Path, out: Path) -> None:
    """The folder as a zip, the same to the byte whenever and wherever it is made of the same files."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files(folder):
            member = zipfile.ZipInfo(path.relative_to(folder).as_posix(), BEGINNING)
            member.external_attr, member.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(member, path.read_bytes())
