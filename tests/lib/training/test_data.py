"""Crops and windows against the recordings they come from; order and randomness as functions of (seed, epoch, step)."""

import os
import subprocess
import sys
import threading
from itertools import pairwise

import numpy as np
import pytest

from ecgscale.errors import UserError
from ecgscale.training.data import Crops, ahead, fixed_batches, generator, part_of, subset, tile, together, windows
from tests.tiny_corpus import EVERY_AUGMENTATION, planned, split_of, write_corpus

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("data") / "shard")


def spec(**changes):
    return planned(**({"augment": ()} | changes)).spec


@pytest.mark.parametrize(("length", "window", "starts"), [
    (5000, 1024, [0, 1024, 2048, 3072, 3976]), (2048, 1024, [0, 1024]), (1024, 1024, [0]), (1025, 1024, [0, 1]),
    (700, 1024, [0]), (1, 1024, [0])])
def test_tile(length, window, starts):
    """End to end, and one more window aligned to the end where samples remain."""
    assert tile(length, window).tolist() == starts


def test_windows_hold_every_sample_and_pad_at_the_end():
    signal = np.arange(1, 2501, dtype=np.float16)[:, None] * np.ones((1, 3), np.float16)
    cut = windows(signal, 1024)
    assert cut.shape == (3, 3, 1024)
    np.testing.assert_array_equal(cut[2], signal[1476:].astype(np.float32).T)
    short = windows(signal[:100], 1024)
    np.testing.assert_array_equal(short[0, :, :100], signal[:100].T)
    assert not short[0, :, 100:].any()


def test_fixed_batches_are_the_windows_of_each_recording(corpus):
    positions = np.array([3, 4, 7, 9])
    x, owner = zip(*fixed_batches(corpus, positions, ("V1", "I"), 256, size=3), strict=True)
    assert {len(batch) for batch in x[:-1]} == {3}
    x, owner = np.concatenate(x), np.concatenate(owner)
    expected = [windows(corpus.signal(position)[:, [6, 0]], 256) for position in positions]
    np.testing.assert_array_equal(x, np.concatenate(expected))
    assert owner.tolist() == [place for place, cut in enumerate(expected) for _ in cut]


def test_an_epoch_gives_each_recording_once_as_a_piece_of_itself(corpus):
    """Found by searching the recording for the crop; short recordings lie whole at a random place among zeros."""
    positions = np.arange(20)
    crops = Crops(corpus, positions, spec(seed=4))
    x, y = map(np.concatenate, zip(*crops.epoch(0), strict=True))
    order = generator(4, 0, 0, 0).permutation(20)
    assert sorted(order) == list(range(20))
    np.testing.assert_array_equal(y, corpus.labels[positions][order])
    starts = []
    for crop, position in zip(x, positions[order], strict=True):
        signal = corpus.signal(position).astype(np.float32).T
        if signal.shape[1] >= 256:
            found = [s for s in range(signal.shape[1] - 255) if np.array_equal(signal[:, s : s + 256], crop)]
        else:
            found = [s for s in range(256 - 149) if np.array_equal(crop[:, s : s + 150], signal)]
            assert not np.delete(crop, np.s_[found[0] : found[0] + 150], axis=1).any()
        assert len(found) == 1
        starts += found
    assert len(set(starts)) > 10


def test_crops_reach_both_ends(corpus):
    crops = Crops(corpus, np.array([0]), spec())
    signal = corpus.signal(0)
    places = np.array([0]), np.array([len(signal) - 256])
    np.testing.assert_array_equal(crops.cut(np.array([0]), places[0])[0], signal[:256])
    np.testing.assert_array_equal(crops.cut(np.array([0]), places[1])[0], signal[-256:])
    drawn = [generator(0, epoch, 0, 1).integers(0, [444], endpoint=True)[0] for epoch in range(4000)]
    assert {min(drawn), max(drawn)} == {0, 444}


def test_crops_lie_in_memory_as_the_corpus_does(corpus):
    """(batch, time, lead) floats: the order in which a CPU convolves, so that the network copies nothing."""
    x = next(Crops(corpus, np.arange(8), planned().spec).epoch(0))[0]
    assert x.dtype == np.float32
    assert x.transpose(0, 2, 1).flags.c_contiguous


def test_batches_are_a_function_of_seed_epoch_and_step(corpus):
    positions = np.arange(30)
    whole = list(Crops(corpus, positions, planned().spec).epoch(3))
    late = list(Crops(corpus, positions, planned().spec).epoch(3, first=2))
    for (x, y), (again, labels) in zip(whole[2:], late, strict=True):
        np.testing.assert_array_equal(x, again)
        np.testing.assert_array_equal(y, labels)
    for other in (Crops(corpus, positions, planned(seed=1).spec).epoch(3),
                  Crops(corpus, positions, planned().spec).epoch(4)):
        assert not np.array_equal(whole[0][0], next(other)[0])


def test_smaller_fractions_are_part_of_larger_ones():
    records = [f"s/{number}" for number in range(1000)]
    shares = [set(subset(records, fraction, "split").tolist()) for fraction in (0.001, 0.01, 0.1, 0.5, 0.9, 1.0)]
    assert [len(share) for share in shares] == [1, 10, 100, 500, 900, 1000]
    assert all(small < large for small, large in pairwise(shares))
    assert shares[2] != set(subset(records, 0.1, "another split").tolist())
    # by name, not by place: the same recordings whatever else stands in the list
    backwards = {records[::-1][place] for place in subset(records[::-1], 0.1, "split")}
    assert backwards == {records[place] for place in shares[2]}


def test_leads_are_taken_by_name(corpus):
    all_leads = next(Crops(corpus, np.arange(8), spec()).epoch(0))[0]
    two = next(Crops(corpus, np.arange(8), spec(leads=("V6", "II"))).epoch(0))[0]
    np.testing.assert_array_equal(two, all_leads[:, [LEADS.index("V6"), LEADS.index("II")]])
    with pytest.raises(UserError, match="no lead 'X'"):
        Crops(corpus, np.arange(8), spec(leads=("X",)))


def test_augmented_leads_are_taken_by_name(corpus):
    """What is drawn for a crop does not depend on the leads, but for which of them are dropped."""
    names = tuple(name for name in EVERY_AUGMENTATION if name != "lead_dropout")
    all_leads = next(Crops(corpus, np.arange(8), spec(augment=names)).epoch(0))[0]
    two = next(Crops(corpus, np.arange(8), spec(augment=names, leads=("V6", "II"))).epoch(0))[0]
    np.testing.assert_array_equal(two, all_leads[:, [LEADS.index("V6"), LEADS.index("II")]])
    crops = Crops(corpus, np.arange(40), spec(augment=EVERY_AUGMENTATION, leads=("V6", "II"), batch_size=40))
    assert next(crops.epoch(0))[0].any(axis=2).any(axis=1).all()


def test_batches_prepared_together_are_the_same():
    """In the same order, `number` at a time and none before it is asked for."""
    drawn = []

    def items():
        for number in range(7):
            drawn.append(number)
            yield number

    batches = together(items(), 3)
    assert next(batches) == 0
    assert drawn == [0, 1, 2]
    assert list(batches) == [1, 2, 3, 4, 5, 6]


def test_parts(corpus):
    split, _ = split_of(corpus)
    positions = part_of(corpus, split.sample(frac=1, random_state=1), "valid")
    assert corpus.records["record"][positions].tolist() == sorted(split.loc[split.part == "valid", "record"])
    with pytest.raises(UserError, match="no recording in the part 'valid'"):
        part_of(corpus, split[split.part == "train"], "valid")


def test_ahead_gives_the_same_items_from_another_thread():
    threads = []

    def items():
        for number in range(20):
            threads.append(threading.current_thread().name)
            yield number

    assert list(ahead(items())) == list(range(20))
    assert threading.current_thread().name not in threads

    def broken():
        yield 1
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        list(ahead(broken()))


def test_what_is_prepared_ahead_takes_one_thread_and_leaves_the_caller_his():
    """Teams of two threads in two threads fight for two processors: a step took twice its time. In a process of its
    own, where nothing has asked torch for its threads before."""
    code = ("import torch; from ecgscale.training.data import ahead; torch.set_num_threads(2); "
            "print(list(ahead(torch.get_num_threads() for _ in range(3))), torch.get_num_threads())")
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.stdout.strip() == "[1, 1, 1] 2"
