"""The Challenge score of four recordings against fractions worked by hand."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ecgscale.contracts.labels import read_label_set
from ecgscale.evaluation.metrics import challenge_score, challenge_terms

GOLDEN = json.loads(Path(__file__).with_name("challenge_score.json").read_text())
LABELS = read_label_set()


def columns(field):
    rows = [[name in recording[field] for name in LABELS.abbreviations] for recording in GOLDEN["recordings"]]
    return np.array(rows)


def test_terms_and_score_are_those_worked_by_hand():
    truth, predicted = columns("truth"), columns("predicted")
    gained, possible = challenge_terms(truth, predicted, LABELS).T
    for place, recording in enumerate(GOLDEN["recordings"]):
        observed, correct, inactive = (Fraction(recording[name]) for name in ("observed", "correct", "inactive"))
        assert gained[place] == pytest.approx(float(observed - inactive), abs=1e-15)
        assert possible[place] == pytest.approx(float(correct - inactive), abs=1e-15)
    assert challenge_score(truth, predicted, LABELS) == pytest.approx(float(Fraction(GOLDEN["score"])), abs=1e-15)
