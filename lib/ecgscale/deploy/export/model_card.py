"""The card of an exported model: what it takes and gives, how good each file is, and what it is not for.

A README.md whose head is the metadata that model hubs read; all of it is said by export.json.
"""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from ecgscale.contracts import Artefact, Export, marked

NAME = "README.md"
HEAD = "library_name: ecgscale"
wrote_card = marked(HEAD.encode())


def model_card(export: Export) -> str:
    """The whole page, in Markdown."""
    spec, leads = export.spec, ", ".join(export.spec.leads)
    head = yaml.safe_dump({"license": "mit", "tags": ["ecg", "electrocardiography", "multi-label-classification",
                                                      spec.model.family]}, sort_keys=False)
    said = (f"# {export.label}", warning(export),
            f"A {spec.model.family} of {export.ledger.params:,} parameters and {export.ledger.forward_flops:,} FLOPs a "
            f"window; {export.chosen_for}. Run {export.run_id} of the study {spec.study}.",
            "## Input and output",
            f"`{export.input_name}`: float32 of shape {' x '.join(map(str, export.input_shape))} (batch, leads, "
            f"samples) at {export.rate:g} Hz, {'millivolts' if export.unit == 'mV' else 'standard deviations'}; leads "
            f"{leads}. Prepared by the recipe `{export.recipe.get('name')}`, whose parameters stand in export.json.",
            f"`{export.output_name}`: a logit a class; the logistic function makes it a probability. Classes: "
            + "; ".join(f"{code} {name}" for code, name in zip(export.classes, export.class_names, strict=True)) + ".",
            "## How good it is",
            f"Challenge score on validation {number(export.valid_score)}, on test {number(export.test_score)}, of the "
            "trained network in float32. Each file beside it, on recordings that were not trained on:",
            "\n".join(files(export.artefacts)),
            "## Try it",
            "`sample_input.npy` holds a window and `sample_output.npy` the network's answer to it.",
            "\n".join(("```python", *example(export), "```")) if onnx_file(export) else "",
            "## Not for",
            "Diagnosis, triage or any use on people: it is no medical device, was judged on the recordings of its "
            "study alone, and tells nothing of hospitals, machines and people that these do not hold. Choose "
            "thresholds on recordings of yours.",
            "## Licence", export.license + ".")
    return f"---\n{HEAD}\n{head}---\n\n" + "\n\n".join(filter(None, said)) + "\n"


def warning(export: Export) -> str:
    return "**Trained on SYNTHETIC recordings: it shows that the machinery works, nothing about hearts.**" \
        if export.synthetic else ""


def number(score: float | None) -> str:
    return "unknown" if score is None else f"{score:.3f}"


def files(artefacts: Iterable[Artefact]) -> list[str]:
    rows = ["| file | format | precision | bytes | largest difference of a logit | loss of score | status |",
            "| --- | --- | --- | --- | --- | --- | --- |"]
    for one in artefacts:
        loss = "" if one.score_difference is None else f"{-one.score_difference:+.4f}"
        difference = "" if one.max_logit_difference is None else f"{one.max_logit_difference:.2g}"
        kind = " ".join(filter(None, (one.format, one.mode, one.opset and f"opset {one.opset}")))
        rows.append(f"| {f'`{one.file}`' if one.file else ''} | {kind} | {one.precision} | {one.bytes or ''} | "
                    f"{difference} | {loss} | {one.status}{': ' if one.reason else ''}{one.reason.replace('|', '/')} |")
    return rows


def onnx_file(export: Export) -> str | None:
    """The float32 ONNX file of one window a call, where it was made."""
    return next((one.file for one in export.artefacts if one.file and one.batch in (None, 1)
                 and (one.format, one.precision) == ("onnx", "float32")), None)


def example(export: Export) -> list[str]:
    return ["import numpy as np", "import onnxruntime", "",
            f'session = onnxruntime.InferenceSession("{onnx_file(export)}")',
            f'logits, = session.run(None, {{"{export.input_name}": np.load("sample_input.npy")}})',
            'assert np.allclose(logits, np.load("sample_output.npy"), atol=1e-3)']
