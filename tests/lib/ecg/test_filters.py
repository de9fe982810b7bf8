"""Filter and resampling against SciPy. Stated tolerance 1e-9 mV, of signals of about 0.3 mV; see the docstrings."""

import numpy as np
import pytest
import wfdb
from scipy.signal import butter, resample_poly, sosfiltfilt, sosfreqz
from scipy.signal import resample as fft_resample

from ecgscale.ecg.filters import band_pass, butterworth, resample

TOLERANCE = 1e-9    # mV
BANDS = [(1.0, 47.0), (0.5, 100.0), (0.05, 100.0), (20.0, 24.0), (None, 40.0), (0.05, None), (0.5, None)]


def by_scipy(order, low, high, rate):
    edges = [edge for edge in (low, high) if edge]
    kind = "bandpass" if len(edges) > 1 else "highpass" if low else "lowpass"
    return butter(order, edges if len(edges) > 1 else edges[0], kind, fs=rate, output="sos")


@pytest.mark.parametrize("rate", [250.0, 257.0, 500.0, 1000.0])
@pytest.mark.parametrize(("low", "high"), BANDS)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_design_has_the_response_of_scipys(order, low, high, rate):
    sections = np.insert(butterworth(order, low, high, rate)[0], 3, 1.0, axis=1)
    frequencies = np.geomspace(0.01, rate / 2 * 0.99, 200)
    ours, theirs = (sosfreqz(sos, frequencies, fs=rate)[1] for sos in (sections, by_scipy(order, low, high, rate)))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("rate", [250.0, 257.0, 500.0, 1000.0])
@pytest.mark.parametrize(("low", "high"), BANDS)
@pytest.mark.parametrize("order", [2, 3])
def test_filter_equals_sosfiltfilt(signal, order, low, high, rate):
    millivolts = signal(3000) / 1000
    ours = band_pass(millivolts, rate, low, high, order)
    theirs = sosfiltfilt(by_scipy(order, low, high, rate), millivolts, axis=0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


def test_filter_equals_sosfiltfilt_on_real_recordings(shared):
    for path in sorted((shared / "data" / "physionet2021").rglob("*.hea")):
        millivolts = wfdb.rdrecord(str(path.with_suffix(""))).p_signal
        theirs = sosfiltfilt(by_scipy(3, 1.0, 47.0, 500), millivolts, axis=0)
        np.testing.assert_allclose(band_pass(millivolts, 500.0, 1.0, 47.0, 3), theirs, rtol=0, atol=TOLERANCE)


def test_a_constant_stays_where_it_belongs():
    constant = np.full((1000, 12), 3.0)
    np.testing.assert_allclose(band_pass(constant, 500.0, 1.0, 47.0, 3), 0, atol=1e-9)
    np.testing.assert_allclose(band_pass(constant, 500.0, None, 47.0, 3), 3, atol=1e-9)


@pytest.mark.parametrize("edges", [(0.0, 47.0), (1.0, 250.0), (47.0, 1.0)])
def test_impossible_edges(edges):
    with pytest.raises(ValueError, match="do not lie in order"):
        butterworth(3, *edges, 500.0)


@pytest.mark.parametrize("leads", [1, 2, 8])
def test_fewer_leads_are_filtered_as_they_are_among_twelve(signal, leads):
    values = signal(1000).astype(float)
    np.testing.assert_array_equal(band_pass(values[:, :leads], 500.0, 1.0, 47.0, 3),
                                  band_pass(values, 500.0, 1.0, 47.0, 3)[:, :leads])


def test_at_most_twelve_leads_of_some_length_are_filtered():
    with pytest.raises(ValueError, match="13 leads: the filter is compiled for 12"):
        band_pass(np.zeros((1000, 13)), 500.0, 1.0, 47.0, 3)
    with pytest.raises(ValueError, match="21 samples are too few for this filter: it needs more than 21"):
        band_pass(np.zeros((21, 12)), 500.0, 1.0, 47.0, 3)


@pytest.mark.parametrize(("rate", "up", "down"), [(1000.0, 1, 2), (250.0, 2, 1), (100.0, 5, 1)])
def test_whole_ratios_equal_resample_poly(signal, rate, up, down):
    values = signal(3001).astype(float)
    theirs = resample_poly(values, up, down, axis=0)
    np.testing.assert_allclose(resample(values, rate, 500.0), theirs, rtol=0, atol=1e-12)


def test_other_ratios_equal_fft_resampling(signal):
    values = signal(2570).astype(float)
    ours = resample(values, 257.0, 500.0)
    assert len(ours) == 5000
    np.testing.assert_allclose(ours, fft_resample(values, 5000, axis=0), rtol=0, atol=1e-9)
