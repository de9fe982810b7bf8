"""Bootstrap against drawing one by one, against the delta method, and against planted truth (coverage)."""

import numpy as np
import pytest
from scipy import stats

from ecgscale.contracts.labels import read_label_set
from ecgscale.evaluation import bootstrap, metrics
from tests.lib.evaluation.of_a_fold import challenge_replicates

LABELS = read_label_set()


def fold(seed, recordings):
    random = np.random.default_rng(seed)
    labels = random.random((recordings, len(LABELS.codes))) < 0.1
    return labels, labels ^ (random.random(labels.shape) < 0.08)


def test_unknown_patients_are_clusters_of_their_own():
    found = bootstrap.clusters_of(np.array(["p1", None, "p2", "p1", None, np.nan], dtype=object), 6)
    assert sorted(set(found.tolist())) == list(range(5))
    assert found[0] == found[3]
    assert bootstrap.clusters_of(None, 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize("clusters", [1, 2, 30, 64, 100, 5000])
def test_every_draw_has_as_many_as_there_are(clusters):
    drawn = np.stack(list(bootstrap.draws(clusters, 50, seed=1)))
    assert drawn.shape == (50, clusters)
    assert (drawn.sum(axis=1, dtype=int) == clusters).all()


@pytest.mark.parametrize("rate", [0.5, 1.0, 3.0])
def test_sixteen_bits_give_the_poisson_distribution_as_near_as_they_can(rate):
    """scipy.stats.poisson, rounded to 2^-16."""
    below = np.cumsum(np.bincount(bootstrap.counts_table(rate)))
    assert np.abs(below - 65536 * stats.poisson.cdf(range(len(below)), rate)).max() <= 0.5


def test_draws_depend_on_the_seed_alone():
    one, same, other = (np.stack(list(bootstrap.draws(200, 20, seed))) for seed in (3, 3, 4))
    assert (one == same).all()
    assert (one != other).any()


@pytest.mark.parametrize("clusters", [40, 400])
def test_counts_are_distributed_as_in_a_multinomial_sample(clusters):
    """A cluster's count is binomial(n, 1/n), and two clusters are correlated by -1/(n-1), as in drawing one by one."""
    drawn = np.stack(list(bootstrap.draws(clusters, 20000, seed=5))).astype(float)
    seen = np.bincount(drawn[:, 0].astype(int), minlength=6)[:6]
    expected = stats.binom.pmf(range(6), clusters, 1 / clusters) * len(drawn)
    assert stats.chisquare(np.r_[seen[:5], len(drawn) - seen[:5].sum()],
                           np.r_[expected[:5], len(drawn) - expected[:5].sum()]).pvalue > 1e-3
    pairs = np.corrcoef(drawn.T[:40])[np.triu_indices(40, 1)]
    assert pairs.mean() == pytest.approx(-1 / (clusters - 1), abs=4 / np.sqrt(len(drawn) * len(pairs)))


def test_replicates_are_scores_of_copied_recordings():
    """A replicate equals the score of a fold in which each patient's recordings are repeated as often as drawn."""
    labels, predicted = fold(0, 40)
    patients = np.array([f"p{k // 3}" for k in range(40)], dtype=object)
    clusters = bootstrap.clusters_of(patients, 40)
    replicates = challenge_replicates(labels, predicted, LABELS, patients, replicates=5, seed=9)
    drawn = np.stack(list(bootstrap.draws(int(clusters.max()) + 1, 5, seed=9)))
    for counts, replicate in zip(drawn, replicates, strict=True):
        rows = np.repeat(np.arange(40), counts[clusters])
        assert replicate == pytest.approx(metrics.challenge_score(labels[rows], predicted[rows], LABELS), abs=1e-12)


def test_spread_agrees_with_the_delta_method_for_a_ratio():
    labels, predicted = fold(1, 2000)
    terms = metrics.challenge_terms(labels, predicted, LABELS)
    score = metrics.challenge_ratio(terms.sum(axis=0))
    error = np.sqrt(((terms[:, 0] - score * terms[:, 1]) ** 2).sum()) / terms[:, 1].sum()
    replicates = challenge_replicates(labels, predicted, LABELS, None, 4000, seed=2)
    assert replicates.std() == pytest.approx(error, rel=0.06)
    assert replicates.mean() == pytest.approx(score, abs=4 * error / np.sqrt(4000) + 1e-4)


def test_intervals_over_patients_cover_the_planted_truth_and_those_over_recordings_do_not():
    """Patients of ten like recordings each: the truth is the score of the whole population of patients."""
    random = np.random.default_rng(7)
    people, copies, chosen = 4000, 10, 60
    labels = random.random((people, len(LABELS.codes))) < 0.1
    predicted = labels ^ (random.random(labels.shape) < random.uniform(0, 0.2, (people, 1)))
    truth = metrics.challenge_score(labels, predicted, LABELS)
    covered = {"patients": 0, "recordings": 0}
    for trial in range(200):
        drawn = np.repeat(random.choice(people, chosen, replace=False), copies)
        for unit in covered:
            ids = drawn.astype(str) if unit == "patients" else None
            low, high = bootstrap.interval(challenge_replicates(
                labels[drawn], predicted[drawn], LABELS, ids, 200, trial))
            covered[unit] += low <= truth <= high
    assert 0.88 <= covered["patients"] / 200 <= 0.99
    assert covered["recordings"] / 200 < 0.6


def test_interval_is_the_percentiles_and_missing_where_mostly_undefined():
    values = np.arange(1001.0)[:, None] * [1, 1, 1]
    values[600:, 1], values[100:, 2] = np.nan, np.nan
    low, high = bootstrap.interval(values)
    assert (low[0], high[0]) == pytest.approx((25.0, 975.0))
    assert (low[1], high[1]) == pytest.approx((14.975, 584.025))
    assert np.isnan([low[2], high[2]]).all()


def test_paired_difference_is_narrower_than_unpaired_and_zero_for_the_same_predictions():
    labels, predicted = fold(3, 600)
    better = np.where(np.random.default_rng(0).random(labels.shape) < 0.1, labels, predicted)
    estimate, low, high = bootstrap.challenge_difference(labels, better, predicted, LABELS)
    scores = [metrics.challenge_score(labels, guess, LABELS) for guess in (better, predicted)]
    assert estimate == pytest.approx(scores[0] - scores[1], abs=1e-12)
    assert low <= estimate <= high
    alone_low, alone_high = bootstrap.interval(challenge_replicates(labels, better, LABELS))
    assert high - low < 0.6 * (alone_high - alone_low)
    assert bootstrap.challenge_difference(labels, predicted, predicted, LABELS) == (0.0, 0.0, 0.0)


def test_many_runs_at_once_are_each_alone_on_the_same_draws():
    labels, predicted = fold(4, 80)
    runs = [predicted ^ (np.random.default_rng(k).random(labels.shape) < 0.02) for k in range(7)]
    terms = np.stack([metrics.challenge_terms(labels, guess, LABELS) for guess in runs], axis=1)
    together = bootstrap.ratio_replicates(terms, np.arange(80), 20, seed=6)
    for number, guess in enumerate(runs):
        alone = challenge_replicates(labels, guess, LABELS, None, 20, seed=6)
        np.testing.assert_allclose(together[:, number], alone, atol=1e-12)
