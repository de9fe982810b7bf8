"""The same generator version and seed give the same corpus: the headers' promise, kept against a committed sample.

Made by `python tests/golden/test_synthetic.py`; whoever changes it raises GENERATOR in the same commit.
"""

import json
from pathlib import Path

import numpy as np

from ecgscale.contracts import digest
from ecgscale.ecg.synthetic import GENERATOR, make, plan

FILE = Path(__file__).with_name("synthetic.json")


def corpus() -> dict:
    """Digest of a plan, and each lead of four recordings at five times, in uV."""
    planned = plan(40, 11, holter_seconds=10)
    samples = {one.path: make(one, 11, 0.5)[0] for one in planned[::12]}
    return {
        "generator": GENERATOR,
        "plan": digest([[one.source, one.path, one.patient, one.codes, one.seconds] for one in planned]),
        "samples": {path: lead_time[:, 300:2300:400].tolist() for path, lead_time in samples.items()},
    }


def test_same_seed_gives_the_same_corpus():
    """The plan exactly; samples to the one step by which processors may round differently."""
    golden, made = json.loads(FILE.read_text()), corpus()
    assert (made["generator"], made["plan"]) == (golden["generator"], golden["plan"])
    assert made["samples"].keys() == golden["samples"].keys()
    for path, expected in golden["samples"].items():
        assert np.abs(np.array(made["samples"][path]) - np.array(expected)).max() <= 1


if __name__ == "__main__":
    FILE.write_text(json.dumps(corpus(), indent=None) + "\n")
