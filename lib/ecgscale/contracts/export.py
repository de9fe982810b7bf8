"""Exported models: what EXPORT writes, one folder a model/."""

from __future__ import annotations

from typing import Any, Literal

from ecgscale.contracts.files import Document, Part
from ecgscale.contracts.plan import Ledger, RunSpec


class Artefact(Part):
    """One exported file and how far it is from the trained network."""

    format: str
    """Torch, onnx, openvino, coreml, executorch, executorch-coreml, tflite."""
    precision: str
    """Float32, float16, int8; bf16: the float32 file, computed in bfloat16."""
    file: str | None
    """Below the model's folder; null when the export failed."""
    status: Literal["ok", "failed", "beyond-margin"]
    """`beyond-margin`: it loses too much score."""
    reason: str = ""
    """Of the status."""
    batch: int | None = 1
    """Windows a call; null: any number."""
    bytes: int | None = None
    """Size of the file."""
    digest: str | None = None
    """Of the file."""
    opset: int | None = None
    """Operator set of ONNX."""
    mode: str = ""
    """Of torch: frozen or compiled from the weights; then `seconds` is what that took."""
    checked_on: str = ""
    """Runtime that computed the differences, or why none did."""
    max_logit_difference: float | None = None
    """Largest, on the checked recordings."""
    mean_logit_difference: float | None = None
    """Mean absolute, on the checked recordings."""
    sign_flips: int | None = None
    """Labels that change side at 0.5 on the checked recordings."""
    checked_records: int = 0
    """Recordings that both were run on."""
    score_difference: float | None = None
    """Paired, test fold: artefact minus network."""
    score_difference_low: float | None = None
    """Lower end of its 95 % interval."""
    score_difference_high: float | None = None
    """Upper end of its 95 % interval."""
    auroc_difference: float | None = None
    """Of macro AUROC, likewise."""
    auroc_difference_low: float | None = None
    """Lower end of its 95 % interval."""
    auroc_difference_high: float | None = None
    """Upper end of its 95 % interval."""
    seconds: float | None = None
    """That making it took."""


class Export(Document):
    """export.json: the model as another project would use it."""

    NAME = "export"
    PLACE = "models/<name>/export.json"
    run_id: str
    """As in the run table."""
    label: str
    """Short name for people, unique in a run of the pipeline."""
    chosen_for: str
    """Why this model was exported."""
    spec: RunSpec
    """The run."""
    ledger: Ledger
    """What one window costs."""
    input_name: str = "ecg"
    """Of the models' input."""
    output_name: str = "logits"
    """Of the models' output."""
    input_shape: tuple[int, ...]
    """(batch, leads, samples)."""
    rate: float
    """Of the input, in Hz."""
    unit: str
    """Of the input: z (z-score) or mV."""
    recipe: dict[str, Any]
    """How signals are prepared before the model: name and every parameter."""
    classes: tuple[str, ...]
    """Class codes, in the order of the outputs."""
    class_names: tuple[str, ...]
    """Their names."""
    license: str
    """Of the model."""
    synthetic: bool
    """Trained on synthetic recordings."""
    valid_score: float | None
    """On validation."""
    test_score: float | None
    """On test."""
    artefacts: tuple[Artefact, ...]
    """The files."""
    versions: dict[str, str]
    """Of the packages."""
    digests: dict[str, str] = {}
    """Of the two files of the sample beside it: SHA-256, 16 hex digits."""
    peak_activations: int | None = None
    """Elements that are alive at once, at most, in the ONNX graph of one window; null without that file."""
