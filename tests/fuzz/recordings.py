"""Recordings in every form they come in, and the corpus that is made of them."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hypothesis import strategies as st

from ecgscale.contracts import LEADS
from ecgscale.contracts.labels import read_label_set
from ecgscale.ecg.corpus import Corpus
from ecgscale.ecg.datasets import Asked, open_dataset
from ecgscale.ecg.prepare import prepare_shard
from ecgscale.ecg.recipe import recipe_named
from ecgscale.ecg.wfdb_record import Recording, read_recording
from ecgscale.evaluation.others import read_truth
from tests.fuzz.mutations import binary, json_of, text
from tests.fuzz.structures import arrays, csv_of, filled, header_of, json_parts_of, odd_hdf5, parquet_of
from tests.fuzz.target import Files, Target, one, written
from tests.tiny_records import twelve_leads, write_record

LABELS = read_label_set()


@cache
def record_files() -> Files:
    return written(lambda folder: write_record(folder, "A0001", twelve_leads(600)))


def wfdb_files() -> st.SearchStrategy[Files]:
    held = record_files()
    signals = held["A0001.mat"]
    raw = signals[24:]
    plain = held["A0001.hea"].replace(b"16x1+24", b"16").replace(b".mat", b".dat")
    packed = [plain.replace(b".dat 16", b".dat " + kind)
              for kind in (b"212", b"80", b"24", b"32", b"61", b"310", b"8", b"516")]
    piece = held["A0001.hea"].replace(b"A0001", b"A0002")
    pieces = b"A0001/2 12 500 1200\nA0002 600\nA0002 600\n"
    return st.one_of(
        one("A0001.hea", text(held["A0001.hea"]) | header_of(held["A0001.hea"]), **{"A0001.mat": signals}),
        one("A0001.hea", text(plain, *packed) | header_of(plain, *packed), **{"A0001.dat": raw}),
        one("A0001.mat", binary(signals), **{"A0001.hea": held["A0001.hea"]}),
        one("A0001.dat", binary(raw), **{"A0001.hea": packed[0]}),
        one("A0001.dat", binary(raw), **{"A0001.hea": packed[-1]}),
        one("A0001.hea", text(pieces) | header_of(pieces), **{"A0002.hea": piece, "A0002.mat": signals}))


def check_recording(found: Recording) -> None:
    samples = len(found.digital)
    assert found.digital.shape == (samples, len(found.leads))
    assert set(found.leads) <= set(LEADS)
    assert found.digital.dtype.kind == "i"
    assert 100 <= found.rate <= min(10_000, samples)
    for values in (found.gain, found.baseline, found.factor):
        assert values.shape == (len(found.leads),)
        assert np.isfinite(values).all()
    assert (found.gain != 0).all()


def array_files() -> st.SearchStrategy[Files]:
    millivolts = twelve_leads(600) / 1000
    stream = io.BytesIO()
    np.save(stream, millivolts.astype(np.float32))
    shapes = st.tuples(st.integers(0, 1 << 50), st.just(12)).map(
        lambda shape: npy_head(shape, "<f4") + b"\0" * 4800)
    return one("A0001.npy", binary(stream.getvalue()) | shapes | arrays()) | one("A0001.h5", binary(*hdf5_seeds()))


def npy_head(shape: tuple[int, ...], kind: str) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue()


@cache
def hdf5_seeds() -> tuple[bytes, ...]:
    """Plain, in compressed pieces, and what must be refused: announced only, elsewhere, not numbers."""
    millivolts = (twelve_leads(600) / 1000).astype(np.float32)

    return odd_hdf5(millivolts) + tuple(map(filled, (
        lambda file: file.create_dataset("ecg", data=millivolts),
        lambda file: file.create_dataset("ecg", data=millivolts, chunks=(100, 12), compression="gzip"),
        lambda file: file.create_dataset("ecg", shape=(4_000_000, 12), dtype="f8", chunks=(1000, 12), fillvalue=1.0),
        lambda file: file.create_dataset("ecg", shape=(600, 12), dtype="f4", external=[("outside.dat", 0, 28800)]),
        lambda file: file.__setitem__("ecg", h5py.ExternalLink("../outside.h5", "ecg")),
        lambda file: file.create_dataset("ecg", data=[b"x"] * 12))))


def read_only(folder: Path) -> Recording:
    dataset = open_dataset(folder, "table", Asked(rate=500.0))
    return next(dataset.read(place) for place in dataset.places)


def xlsx_files() -> st.SearchStrategy[Files]:
    """Chapman's own table: a zip of XML, edited before and after it is packed."""
    rows = (("FileName", "Rhythm", "Beat", "PatientAge", "Gender"), ("A0001", "AFIB", "RBBB TWC", "61", "MALE"))
    cells = "".join(f'<row r="{row}">' + "".join(
        f'<c r="{column}{row}" t="inlineStr"><is><t>{value}</t></is></c>'
        for column, value in zip("ABCDE", values, strict=True)) + "</row>" for row, values in enumerate(rows, 1))
    sheet = (f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{cells}'
             '<row r="3"><c r="A3" t="s"><v>0</v></c></row></sheetData></worksheet>').encode()
    strings = (b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>A0002</t></si></sst>')

    def packed(sheet: bytes) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/sharedStrings.xml", strings)
            archive.writestr("xl/worksheets/sheet1.xml", sheet)
        return stream.getvalue()

    table = ",".join(LEADS).encode() + b"\n" + b"\n".join(
        b",".join(b"%d" % value for value in row) for row in twelve_leads(520))
    entities = sheet.replace(b"<worksheet", b'<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet', 1)
    sheets = text(sheet, entities).map(packed) | binary(packed(sheet))
    return one("Diagnostics.xlsx", sheets, **{"ECGData/A0001.csv": table}) | one(
        "ECGData/A0001.csv", csv_of(table), **{"Diagnostics.xlsx": packed(sheet)})


def read_chapman(folder: Path) -> Recording:
    dataset = open_dataset(folder, "chapman")
    return next(dataset.read(place) for place in dataset.places)


def code15_files() -> st.SearchStrategy[Files]:
    exams = (b"exam_id,age,is_male,patient_id,1dAVb,RBBB,LBBB,SB,AF,ST,normal_ecg\n"
             b"1,40,True,7,False,True,False,False,0,0,1\n")
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        tracings = np.zeros((2, 4096, 12), np.float32)
        tracings[:, 500:3500] = twelve_leads(3000) / 1000
        file.create_dataset("tracings", data=tracings, chunks=(1, 4096, 12), compression="gzip")
        file.create_dataset("exam_id", data=np.array([1, 0]))
    return one("exams_part0.hdf5", binary(stream.getvalue()), **{"exams.csv": exams}) | one(
        "exams.csv", csv_of(exams), **{"exams_part0.hdf5": stream.getvalue()})


def read_code15(folder: Path) -> Recording:
    dataset = open_dataset(folder, "code-15")
    return next(dataset.read(place) for place in dataset.places)


def prepared(folder: Path) -> Any:
    source = folder / "source"
    return prepare_shard(source, "any", "1/1", recipe_named("study"), LABELS, folder / "shard", 1.0,
                         open_dataset(source))


def source_files() -> st.SearchStrategy[Files]:
    """A folder of two recordings, one of which is as written, as PREPARE takes it."""
    held = {f"source/{name.replace('A0001', 'B0001')}": content.replace(b"A0001", b"B0001")
            for name, content in record_files().items()}
    return wfdb_files().map(lambda files: held | {f"source/{name}": content for name, content in files.items()})


def check_shard(made: Any) -> None:
    assert made.found == made.accepted + made.rejected
    assert made.accepted >= 1


@cache
def shard_files() -> Files:
    def write(folder: Path) -> None:
        for number in range(8):         # four folds and some more
            write_record(folder / "source", f"A000{number}", twelve_leads(520 + 20 * number, seed=number))
        prepare_shard(folder / "source", "any", "1/1", recipe_named("study"), LABELS, folder / "shard", 1.0)
        shutil.rmtree(folder / "source")

    return written(write)


def corpus_files() -> st.SearchStrategy[Files]:
    """A prepared shard with one of its files damaged."""
    held = {name.removeprefix("shard/"): content for name, content in shard_files().items()}
    body, records = json.loads(held["shard.json"]), held["records.parquet"]
    del body["sha256"]                  # else a damaged document is refused before anybody reads on
    undigested = json.dumps(body | {"digests": {}, "signals_sum": None}).encode()      # as shards of earlier versions
    return st.one_of(
        one("shard.json", text(held["shard.json"]) | json_of(body) | json_parts_of(body), **held),
        one("records.parquet", binary(records) | parquet_of(records), **held),
        one("records.parquet", parquet_of(records), **held | {"shard.json": undigested}),
        one("signals.npy", binary(held["signals.npy"]), **held),
        one("signals.npy", binary(held["signals.npy"]) | arrays(), **held | {"shard.json": undigested}))


def corpora() -> st.SearchStrategy[Files]:
    return corpus_files().map(lambda files: {f"shard/{name}": content for name, content in files.items()})


def read_corpus(folder: Path) -> Corpus:
    return Corpus.open([folder]).checked()


def check_corpus(corpus: Corpus) -> None:
    for place in range(len(corpus)):
        assert np.isfinite(np.asarray(corpus.signal(place), dtype=float)).all()


TARGETS = {
    "truth headers": Target(wfdb_files, lambda folder: read_truth(folder, LABELS)),
    "WFDB": Target(wfdb_files, lambda folder: read_recording(folder / "A0001.hea"), check_recording, 2),
    "NPY and HDF5": Target(array_files, read_only, check_recording),
    "Chapman xlsx and CSV": Target(xlsx_files, read_chapman, check_recording),
    "CODE-15": Target(code15_files, read_code15, check_recording, 0.5),
    "prepare": Target(source_files, prepared, check_shard, 0.2),
    "corpus": Target(corpus_files, read_corpus, check_corpus, 0.5),
}
