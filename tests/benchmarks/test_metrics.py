"""Speed of the metrics at the size of the public data, 88,253 recordings of 26 classes, on one core.

Each group has a baseline in the same run, so that what is compared is a ratio: the literal double loop over pairs of
classes (as in the official code), drawing recordings one by one, scikit-learn.
"""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from ecgscale.contracts.labels import read_label_set
from ecgscale.evaluation import metrics
from tests.lib.evaluation.of_a_fold import challenge_replicates

LABELS = read_label_set()
RECORDINGS, CLASSES = 88_253, len(LABELS.codes)
REPLICATES = 10_000


@pytest.fixture(scope="module")
def fold():
    random = np.random.default_rng(0)
    labels = random.random((RECORDINGS, CLASSES)) < 0.08
    return labels, labels ^ (random.random(labels.shape) < 0.05), random.random(labels.shape)


def double_loop(labels, predicted):
    """The modified confusion matrix, recording by recording and pair by pair; a twentieth of the recordings."""
    total = np.zeros((CLASSES, CLASSES))
    for truth, guess in zip(labels[::20], predicted[::20], strict=True):
        share = 1 / max(1, (truth | guess).sum())
        for j in range(CLASSES):
            if truth[j]:
                for k in range(CLASSES):
                    if guess[k]:
                        total[j, k] += share
    return (LABELS.weights * total).sum()


@pytest.mark.benchmark(group="Challenge score of a fold (baseline: a twentieth of it)")
def test_double_loop_over_pairs(benchmark, fold):
    benchmark.pedantic(double_loop, (fold[0], fold[1]), rounds=1)


@pytest.mark.benchmark(group="Challenge score of a fold (baseline: a twentieth of it)")
def test_challenge_score(benchmark, fold):
    benchmark.pedantic(metrics.challenge_score, (fold[0], fold[1], LABELS), rounds=3)


@pytest.mark.benchmark(group="10,000 bootstrap replicates of the Challenge score (baseline: a hundredth of them)")
def test_draw_one_by_one(benchmark, fold):
    terms = metrics.challenge_terms(fold[0], fold[1], LABELS)
    random = np.random.default_rng(0)

    def drawn():
        return [metrics.challenge_ratio(terms[random.integers(0, RECORDINGS, RECORDINGS)].sum(axis=0))
                for _ in range(REPLICATES // 100)]

    benchmark.pedantic(drawn, rounds=1)


@pytest.mark.benchmark(group="10,000 bootstrap replicates of the Challenge score (baseline: a hundredth of them)")
def test_bootstrap(benchmark, fold):
    scores = benchmark.pedantic(challenge_replicates, (fold[0], fold[1], LABELS),
                                {"replicates": REPLICATES}, rounds=1)
    assert len(scores) == REPLICATES


@pytest.mark.benchmark(group="AUROC and AUPRC of a fold")
def test_scikit_learn(benchmark, fold):
    def both():
        return roc_auc_score(fold[0], fold[2], average=None), average_precision_score(fold[0], fold[2], average=None)

    benchmark.pedantic(both, rounds=1)


@pytest.mark.benchmark(group="AUROC and AUPRC of a fold")
def test_areas(benchmark, fold):
    benchmark.pedantic(metrics.areas, (fold[0], fold[2]), rounds=1)
