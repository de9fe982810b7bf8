"""What an export costs, and the checks that take too long for every test run: torch.compile, trained networks.

ECGSCALE_MODELS names a folder of exported models (results/export/models, say); without it a small random network is
exported.
"""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ecgscale.contracts import Artefact, Export
from ecgscale.deploy.export import export_models
from ecgscale.design.study import Deploy
from ecgscale.training.data import windows
from tests.lib.deploy.export import mil_interpreter
from tests.tiny_models import LABELS, recordings, run_table, trained_run

pytestmark = pytest.mark.bench
FORMATS = ("torch", "onnx", "openvino", "coreml")
LIMITS = {"float32": 1e-3, "float16": 0.05, "int8": 1.0}


@pytest.mark.parametrize("form", FORMATS)
def test_one_network_in_one_format(benchmark, tmp_path, form):
    """Seconds to export and check; torch is the compiled network, which inductor builds for most of that time."""
    result, (corpus, split) = trained_run(tmp_path / "runs"), recordings()
    arguments = ([tmp_path / "runs" / result.spec.run_id], run_table([result], [0.5]), corpus, split)

    def export():
        return export_models(*arguments, Deploy(formats=(form,), margin=1.0), LABELS, tmp_path / "out", threads=1,
                             replicates=20)

    (made,) = benchmark.pedantic(export, rounds=1)
    assert {artefact.status for artefact in made.artefacts} == {"ok"}
    benchmark.extra_info.update({f"{a.mode or a.format} {a.precision} {a.opset or ''}".strip(): round(a.seconds, 2)
                                 for a in made.artefacts})
    if form == "torch":
        assert [a.mode for a in made.artefacts] == ["", "frozen", "compiled"]
        assert max(a.max_logit_difference for a in made.artefacts) < 1e-4


def exported() -> list[Path]:
    folder = os.environ.get("ECGSCALE_MODELS")
    return sorted(file.parent for file in Path(folder).glob("*/export.json")) if folder else []


@pytest.mark.parametrize("folder", exported() or [None], ids=lambda folder: folder.name if folder else "none")
def test_core_ml_packages_on_real_recordings(folder, shared, capsys):
    """Trained networks' packages, interpreted, against the float32 ONNX file: largest logit difference, in print."""
    if folder is None:
        pytest.skip("ECGSCALE_MODELS is not set: it names a folder of exported models")
    import onnxruntime

    from ecgscale.ecg.recipe import prepare, recipe_named
    from ecgscale.ecg.wfdb_record import read_recording

    about = Export.read(folder / "export.json")
    cut = []
    for header in sorted((shared / "data/physionet2021").rglob("*.hea")):
        recording = read_recording(header)
        signal = prepare(recording.millivolts(), recording.rate, recipe_named(about.recipe["name"]))
        cut.append(windows(np.ascontiguousarray(signal), about.spec.window)[:1])

    def answers(artefact: Artefact, call) -> np.ndarray:
        """(recordings, classes), as many windows a call as the file takes; the last call is filled up."""
        calls = np.resize(np.concatenate(cut), (-(-len(cut) // artefact.batch) * artefact.batch, *cut[0].shape[1:]))
        return np.concatenate([call(part) for part in np.split(calls, len(calls) // artefact.batch)])[: len(cut)]

    onnx = next(a for a in about.artefacts if (a.format, a.precision) == ("onnx", "float32"))
    session = onnxruntime.InferenceSession(folder / onnx.file, providers=["CPUExecutionProvider"])
    wanted = answers(onnx, lambda part: session.run(None, {"ecg": part})[0])
    for artefact in about.artefacts:
        if artefact.format == "coreml":
            made = answers(artefact, partial(mil_interpreter.run, folder / artefact.file))
            gap, flips = np.abs(made - wanted), ((made > 0) != (wanted > 0)).sum()
            with capsys.disabled():
                print(f"\n{about.label} coreml {artefact.precision}, {artefact.batch} a call: largest {gap.max():.2g}, "
                      f"mean {gap.mean():.2g}, sign flips {flips} of {gap.size}, {len(cut)} recordings")
            assert gap.max() < LIMITS[artefact.precision]
