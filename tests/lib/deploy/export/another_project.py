"""What another project does with an exported folder: the file's own runtime and the JSON beside it, nothing of ours.

    python -I another_project.py FOLDER FORMAT

prints, as JSON, the largest difference to sample_output.npy and what the file says of itself, by file.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

FOREIGN = {"onnx": ("torch", "openvino", "coremltools"), "openvino": ("torch", "onnxruntime", "coremltools"),
           "coreml": ("onnxruntime", "openvino"), "torch": ("onnxruntime", "openvino", "coremltools")}
folder, form = Path(sys.argv[1]), sys.argv[2]
for name in ("ecgscale", *FOREIGN[form]):
    sys.modules[name] = None                    # importing it fails from here on


def onnx(path, windows, names):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run([names[1]], {names[0]: windows})[0], session.get_modelmeta().custom_metadata_map


def openvino(path, windows, names):
    import openvino

    model = openvino.Core().read_model(path)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    said = {key: str(value) for key, value in model.get_rt_info(["ecgscale"]).value.items()}
    return compiled({names[0]: windows})[names[1]], said


def coreml(path, windows, names):
    """Interpreted: Core ML itself runs on Apple hardware only."""
    place = importlib.util.spec_from_file_location("interpreter", Path(__file__).with_name("mil_interpreter.py"))
    interpreter = importlib.util.module_from_spec(place)
    place.loader.exec_module(interpreter)
    spec = interpreter.ct.models.MLModel(str(path), skip_model_load=True).get_spec()
    assert (spec.description.input[0].name, spec.description.output[0].name) == names
    own = spec.description.metadata.userDefined
    return interpreter.run(path, windows), {key.removeprefix("ecgscale."): own[key] for key in own if "ecgscale" in key}


def torch(path, windows, names):
    """The weights need the network's code: only what the file says of itself is read."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        return expected.repeat(len(windows), axis=0), json.loads(file.metadata()["ecgscale"])


about = json.loads((folder / "export.json").read_text())
sample, expected = (np.load(folder / f"sample_{end}.npy") for end in ("input", "output"))
assert list(sample.shape) == about["input_shape"]
found = {}
for artefact in about["artefacts"]:
    if artefact["format"] == form and artefact["precision"] != "bf16":
        windows = sample.repeat(artefact["batch"] or 1, axis=0)
        logits, said = globals()[form](folder / artefact["file"], windows, (about["input_name"], about["output_name"]))
        assert logits.shape == (len(windows), len(about["classes"]))
        found[artefact["file"]] = {"precision": artefact["precision"], "batch": artefact["batch"], "said": said,
                                   "difference": float(np.abs(logits - expected).max())}
print(json.dumps(found))
