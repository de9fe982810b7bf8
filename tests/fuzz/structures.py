"""Files whose form is right and whose structure is not: other cells, columns, types, shapes, fields and members."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from hypothesis import strategies as st

from tests.fuzz.mutations import ODD, PLACES, WORDS, changed, places_of, text

CELLS = tuple(word for word in WORDS if len(word) < 500)


def steps(kinds: Sequence[str], values: st.SearchStrategy, most: int = 3) -> st.SearchStrategy[list]:
    return st.lists(st.tuples(st.sampled_from(kinds), PLACES, PLACES, values), min_size=1, max_size=most)


# ---------------------------------------------------------------------------------------------------------------- CSV


def table_changed(content: bytes, changes: Sequence[tuple[str, int, int, bytes]], form: str) -> bytes:
    """A CSV with other cells, columns and rows; written as `form` says."""
    head, *rows = [line.split(b",") for line in content.strip(b"\n").split(b"\n")]
    for what, where, other, word in changes:
        here, there, row = where % len(head), other % len(head), other % len(rows) if rows else 0
        if what == "cell" and rows and rows[row]:
            rows[row][here % len(rows[row])] = word
        elif what == "column":
            rows = [[*cells[:here], word, *cells[here + 1 :]] for cells in rows]
        elif what == "swap":
            head[here], head[there] = head[there], head[here]
        elif what == "name":
            head[here] = word
        elif what == "double":
            head, rows = [*head, head[here]], [[*cells, word] for cells in rows]
        elif what == "drop" and len(head) > 1:
            head, rows = head[:here] + head[here + 1 :], [cells[:here] + cells[here + 1 :] for cells in rows]
        elif what == "none":
            rows = []
        elif what == "many":
            rows = rows * 30
        elif what == "ragged" and rows:
            rows[row] = [*rows[row], word, word] if where % 2 else rows[row][:1]
    separator, encoding = {"semicolon": (b";", "utf-8"), "tab": (b"\t", "utf-8"), "space": (b" ", "utf-8")}.get(
        form, (b",", form))
    made = b"\n".join(separator.join(cells or [b""]) for cells in [head, *rows]) + b"\n"
    return made if encoding == "utf-8" else made.decode("utf-8", "replace").encode(encoding, "replace")


def csv_of(*seeds: bytes) -> st.SearchStrategy[bytes]:
    """A valid CSV with edits of its bytes, or of its structure."""
    kinds = ("cell", "cell", "cell", "column", "swap", "name", "double", "drop", "none", "many", "ragged")
    forms = st.sampled_from(["utf-8"] * 6 + ["utf-16", "latin-1", "utf-8-sig", "semicolon", "tab", "space"])
    words = st.sampled_from(CELLS) | st.floats().map(lambda value: repr(value).encode()) | st.integers().map(
        lambda value: b"%d" % value)
    return text(*seeds) | st.builds(table_changed, st.sampled_from(seeds), steps(kinds, words), forms)


# ------------------------------------------------------------------------------------------------------------ Parquet


def column_of(kind: str, rows: int) -> pa.Array:
    """A column of another type, or of values at the end of what a type holds."""
    def repeated(values: Sequence[Any], type_: pa.DataType | None = None) -> pa.Array:
        return pa.array([values[row % len(values)] for row in range(rows)], type_)

    return {
        "null": lambda: pa.nulls(rows), "bool": lambda: repeated([True, False]),
        "huge": lambda: repeated([2**63 - 1, -(2**63), 0], pa.int64()), "uint64": lambda: repeated([2**64 - 1],
                                                                                                  pa.uint64()),
        "int8": lambda: repeated([-1, 0, 127], pa.int8()), "real": lambda: repeated([float("nan"), float("inf"), -0.0]),
        "large real": lambda: repeated([1e308, -1e308, 5e-324]), "half": lambda: pa.array(
            np.full(rows, 65504, np.float16)),
        "text": lambda: repeated(["", "../outside", "nan", "a" * 400, "=1+1", "<script>", "\x00"]),
        "large text": lambda: repeated(["1", "x"], pa.large_string()), "bytes": lambda: repeated([b"\xff", b"x"]),
        "list": lambda: repeated([[1.0], [], None], pa.list_(pa.float64())),
        "struct": lambda: repeated([{"a": 1}], pa.struct([("a", pa.int64())])),
        "map": lambda: repeated([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        "day": lambda: repeated([0, 10**5], pa.int32()).cast(pa.date32()),
        "moment": lambda: repeated([10**14, 0], pa.int64()).cast(pa.timestamp("ms")),
        "decimal": lambda: repeated([1], pa.int64()).cast(pa.decimal128(38, 2)),
        "words": lambda: repeated(["a", None]).dictionary_encode(), "duration": lambda: repeated(
            [10**14], pa.int64()).cast(pa.duration("ms")),
    }[kind]()


TYPES = ("null", "bool", "huge", "uint64", "int8", "real", "large real", "half", "text", "large text", "bytes", "list",
         "struct", "map", "day", "moment", "decimal", "words", "duration")


def parquet_changed(content: bytes, changes: Sequence[tuple[str, int, int, Any]]) -> bytes:
    table = pq.read_table(io.BytesIO(content))
    for what, where, other, kind in changes:
        if not table.num_columns:
            break
        here = where % table.num_columns
        name = table.column_names[here]
        if what == "type":
            table = table.set_column(here, name, column_of(kind, table.num_rows))
        elif what == "cell" and table.num_rows:
            field, values = table.schema.field(here), table.column(here).to_pylist()
            values[other % len(values)] = column_of(kind, 1)[0].as_py()
            try:
                table = table.set_column(here, name, pa.array(values, field.type))
            except (pa.ArrowException, TypeError, ValueError, OverflowError):
                table = table.set_column(here, name, pa.nulls(len(values), field.type))
        elif what == "double":
            table = table.append_column(name, table.column(other % table.num_columns))
        elif what == "drop":
            table = table.remove_column(here)
        elif what == "swap":
            names = table.column_names
            there = other % len(names)
            names[here], names[there] = names[there], names[here]
            table = table.rename_columns(names)
        elif what == "name":
            table = table.rename_columns([*table.column_names[:here], kind, *table.column_names[here + 1 :]])
        elif what == "rows":
            table = table.slice(0, 0) if other % 2 else pa.concat_tables([table, table])
        elif what == "said":
            table = table.replace_schema_metadata({b"ecgscale": kind.encode(), b"pandas": b"{"} if other % 2 else None)
    stream = io.BytesIO()
    try:
        pq.write_table(table, stream)
    except pa.ArrowException:       # a type that Parquet has not
        return content
    return stream.getvalue()


def parquet_of(*seeds: bytes) -> st.SearchStrategy[bytes]:
    kinds = ("type", "type", "type", "cell", "cell", "double", "drop", "swap", "name", "rows", "said")
    return st.builds(parquet_changed, st.sampled_from(seeds), steps(kinds, st.sampled_from(TYPES), 2))


# ----------------------------------------------------------------------------------------------------- JSON and YAML

DEEP: Any = 0
for _ in range(150):
    DEEP = [DEEP] if _ % 2 else {"a": DEEP}
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{after}: &{after} [*{one},*{one},*{one},*{one},*{one},*{one},*{one},*{one},*{one}]\n"
    for one, after in zip("abcdefgh", "bcdefghi", strict=True))
LINES = (BOMB, "<<: {name: x}\n", "? [1, 2]\n: 3\n", "1: 2\n", "null: 1\n", "2024-01-01: 1\n",
         "data: &d {recipe: *d}\n",
         "seed: 190:20:30:59\n", "name: !!binary aGVsbG8=\n", "name: !!set {a, b}\n", "name: !!omap [a: 1]\n",
         "split: {seed: .inf}\n", "split: {seed: 0x7fffffffffffffffffffff}\n", "runs: !!python/tuple [1]\n",
         "name: 2024-01-01T00:00:00Z\n", "name: |\n  a\n  b\n", "--- \nname: x\n", "%TAG ! tag:x,2000:\n---\nname: y\n",
         "budget: 1e999\n", "data:\n", "runs:\n- \n", "name: *nobody\n")


def nested(value: Any, changes: Sequence[tuple[int, Any]]) -> Any:
    """A JSON value in which whole parts stand in the place of others, or something deep does."""
    value = json.loads(json.dumps(value))
    for where, other in changes:
        ways = [way for way in places_of(value) if way]
        if not ways:
            break
        *way, last = ways[where % len(ways)]
        holder, part = value, value
        for step in way:
            holder = holder[step]
        for step in ways[other % len(ways)] if isinstance(other, int) else ():
            part = part[step]
        holder[last] = deepcopy(part if isinstance(other, int) else other)      # the next may change it
    return value


def parts_of(*seeds: Any) -> st.SearchStrategy[Any]:
    others = PLACES | st.sampled_from([DEEP, 10**400, [0] * 3000, {str(key): key for key in range(300)}, "1" * 5000])
    changes = st.lists(st.tuples(PLACES, others), min_size=1, max_size=2)
    return st.builds(nested, st.sampled_from(seeds), changes)


def json_parts_of(*seeds: Any) -> st.SearchStrategy[bytes]:
    return parts_of(*seeds).map(lambda value: json.dumps(value).encode())


def yaml_of(*seeds: Any) -> st.SearchStrategy[bytes]:
    """A study as YAML writes it, with odd values, and with lines of what only YAML has."""
    changes = st.lists(st.tuples(PLACES, st.sampled_from(["replace", "leave out", "add"]), ODD), max_size=2)
    bodies = st.builds(changed, st.sampled_from(seeds), changes) | parts_of(*seeds)
    styles = st.sampled_from([None, True, False])
    dumped = st.builds(lambda body, flow: yaml.safe_dump(body, default_flow_style=flow).encode("utf-8", "replace"),
                       bodies, styles)
    lines = st.lists(st.sampled_from(LINES), max_size=2).map(lambda chosen: "".join(chosen).encode())
    return st.builds(lambda body, before, after: before + body + after, dumped, lines, lines)


# ------------------------------------------------------------------------------------------------- arrays and tensors

SHAPES = ((), (0,), (12,), (600,), (12, 600), (600, 12), (600, 12, 1), (1, 600, 12), (0, 12), (600, 0), (-1, 12),
          (-600, -12), (2**63, 12), (2**31, 2**31), (True, 12), (600.0, 12), (1,) * 40, "x", None)
KINDS = ("<f4", ">f4", "<f8", "<f2", "<i2", ">i4", "<u8", "|b1", "|O", "<c8", "<U4", "|S3", "<M8[s]", "<m8[D]", "|V8",
         "<f16", [("a", "<f4")], "int", "<f3", "", "<U999999999", None, [("a", "<f4", (9**9,))])


def array_of(shape: Any, kind: Any, fortran: Any, filling: tuple[bytes, int], version: int) -> bytes:
    head = repr({"descr": kind, "fortran_order": fortran, "shape": shape}).encode() + b"\n"
    size = struct.pack("<H", len(head)) if version == 1 else struct.pack("<I", len(head))
    return b"\x93NUMPY" + bytes([version, 0]) + size + head + filling[0] * filling[1]


def arrays() -> st.SearchStrategy[bytes]:
    """NPY files of any header."""
    fillings = st.sampled_from([(b"", 0), (b"\0", 28800), (b"\xff", 28800), (b"\x7f", 57600), (b"\0\0\x80\x7f", 7200)])
    return st.builds(array_of, st.sampled_from(SHAPES), st.sampled_from(KINDS), st.sampled_from([False, True, 0, "x"]),
                     fillings, st.sampled_from([1, 1, 2, 3, 9]))


def tensors_of(*seeds: bytes) -> st.SearchStrategy[bytes]:
    """A safetensors file whose header, a JSON document, has odd values."""
    def made(seed: bytes, changes: list) -> bytes:
        size, = struct.unpack("<Q", seed[:8])
        head = json.dumps(changed(json.loads(seed[8 : 8 + size]), changes)).encode()
        return struct.pack("<Q", len(head)) + head + seed[8 + size :]

    odd = ODD | st.sampled_from(["F64", "BF16", "F8_E4M3", "BOOL", "U64", "C64", [0, 2**62], [8, 0], [2**40], [0, 3]])
    changes = st.lists(st.tuples(PLACES, st.sampled_from(["replace", "leave out", "add"]), odd), min_size=1, max_size=2)
    return st.builds(made, st.sampled_from(seeds), changes)


# --------------------------------------------------------------------------------------------------------------- WFDB

FIELDS = tuple(word.encode() for word in (
    "0", "-1", "1", "2", "11", "13", "255", "2147483647", "9999999999", "nan", "inf", "-inf", "1e-9", "1e308", "1e999",
    "0.0", "500/0", "500/500(0)", "500/nan(inf)", "500(1)", "A0001/0", "A0001/2", "A0001/99999999", "/", "8", "16",
    "16x0", "16x2", "16x-1", "16x99999999999", "16:0", "16:-5", "16:999999999", "16+0", "16+-24", "16+99999999999",
    "16x1:1+24", "0", "61", "80", "160", "212", "310", "311", "24", "32", "508", "516", "524", "999", "16x1+24+24",
    "1000(0)/mV", "-200(0)/mV", "0(0)/mV", "nan(0)/mV", "1e-300/mV", "1000(99999999999)/mV", "1000(nan)/mV",
    "1000(0)/", "1000()/V", "(5)", "1000/uV", "1000/kg", "1000(0)/mV/x", "..", "../outside.dat", "/etc/passwd",
    "A0001.hea", "A0001.mat/", "./A0001.mat", "a/../A0001.mat", "http://x/y", "-", "~", "%", "I", "II", "V1", "aVR",
    "lead I", "\x00", "é", "12:30:45", "31/02/2020", "99:99:99.999"))


def header_changed(content: bytes, changes: Sequence[tuple[str, int, int, bytes]]) -> bytes:
    """A header with other fields, lines doubled, left out or in another order."""
    lines = content.split(b"\n")
    for what, where, other, word in changes:
        here = where % len(lines)
        fields = lines[here].split(b" ")
        place = other % len(fields)
        if what == "field":
            lines[here] = b" ".join([*fields[:place], word, *fields[place + 1 :]])
        elif what == "every":
            lines = [b" ".join([*(old := line.split(b" "))[:place], word, *old[place + 1 :]])
                     if number and len(line.split(b" ")) > place else line for number, line in enumerate(lines)]
        elif what == "first":
            old = lines[0].split(b" ")
            lines[0] = b" ".join([*old[: other % len(old)], word, *old[other % len(old) + 1 :]])
        elif what == "more":
            lines[here] = b" ".join([*fields, word])
        elif what == "fewer":
            lines[here] = b" ".join(fields[:place])
        elif what == "line":
            lines = lines[:here] + [lines[here]] * (2 * (other % 2)) + lines[here + 1 :] or [b""]
        elif what == "move":
            lines.insert(other % len(lines), lines.pop(here))
        elif what == "comment":
            lines.append(b"#" + word)
    return b"\n".join(lines)


def header_of(*seeds: bytes) -> st.SearchStrategy[bytes]:
    kinds = ("field", "field", "every", "every", "first", "first", "more", "fewer", "line", "move", "comment")
    return st.builds(header_changed, st.sampled_from(seeds), steps(kinds, st.sampled_from(FIELDS)))


# --------------------------------------------------------------------------------------------------------------- ONNX

OPERATORS = ("Loop", "If", "Scan", "Identity", "ConstantOfShape", "Expand", "Tile", "Conv", "Reshape", "Gather",
             "NonZero",
             "Pad", "Range", "EyeLike", "", "MemcpyToHost", "ReduceSum", "Cast", "RandomNormal", "Resize", "Einsum")
NUMBERS = (0, -1, 1, 2, 2**31, 2**40, 2**62, -(2**63))


def model_changed(content: bytes, changes: Sequence[tuple[str, int, int, Any]]) -> bytes:
    model = onnx.load_from_string(content)
    graph = model.graph
    for what, where, other, number in changes:
        tensor = graph.initializer[where % len(graph.initializer)]
        node = graph.node[where % len(graph.node)] if graph.node else onnx.NodeProto()
        value = (*graph.input, *graph.output)[where % max(1, len(graph.input) + len(graph.output))]
        if what == "dims":
            tensor.dims[:] = [number, *tensor.dims[1:]] if other % 2 else [number] * (other % 5)
        elif what == "type":
            tensor.data_type = other % 30
        elif what == "cut":
            tensor.raw_data = tensor.raw_data[: other % (len(tensor.raw_data) + 1)]
        elif what == "shape values" and tensor.data_type == onnx.TensorProto.INT64:
            tensor.raw_data = struct.pack("<2q", number, NUMBERS[other % len(NUMBERS)])
        elif what == "operator":
            node.op_type = OPERATORS[other % len(OPERATORS)]
        elif what == "domain":
            node.domain = ("com.microsoft", "ai.onnx.ml", "x" * 300, "")[other % 4]
        elif what == "wire" and node.input:
            node.input[other % len(node.input)] = ("", "ecg", "logits", "flat", "nobody", "w", "s")[number % 7]
        elif what == "attribute":
            node.attribute.append(onnx.helper.make_attribute(("axis", "to", "allowzero", "shape")[other % 4], number))
        elif what == "input":
            value.type.tensor_type.elem_type = other % 20
        elif what == "input shape":
            dimensions = value.type.tensor_type.shape.dim
            dimensions[other % len(dimensions)].dim_value = number
        elif what == "open shape":
            value.type.tensor_type.shape.dim[other % len(value.type.tensor_type.shape.dim)].dim_param = "N"
        elif what == "double":
            graph.node.append(node)
        elif what == "outside" and tensor.HasField("raw_data"):
            place = ("../outside.dat", "/etc/passwd", "", ".", "model.onnx", "sample_input.npy")[other % 6]
            onnx.external_data_helper.set_external_data(tensor, place, offset=0, length=abs(number) % (1 << 40))
            tensor.ClearField("raw_data")
        elif what == "version":
            model.opset_import[0].version, model.ir_version = number % (1 << 40), abs(other) % 40
    return model.SerializeToString()


def onnx_of(*seeds: bytes) -> st.SearchStrategy[bytes]:
    kinds = ("dims", "type", "cut", "shape values", "operator", "domain", "wire", "attribute", "input", "input shape",
             "open shape", "double", "outside", "version")
    return st.builds(model_changed, st.sampled_from(seeds), steps(kinds, st.sampled_from(NUMBERS), 2))


def filled(fill: Callable[[Any], Any]) -> bytes:
    """An HDF5 file in memory."""
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        fill(file)
    return stream.getvalue()


def odd_hdf5(values: np.ndarray) -> tuple[bytes, ...]:
    """Files of every other kind of dataset that a reader of (samples, leads) may meet; values: float32."""
    import h5py

    compound = np.zeros(600, dtype=[("I", "f4"), ("II", "f4")])
    texts = h5py.string_dtype()
    return tuple(map(filled, (
        lambda file: file.create_dataset("ecg", data=values.astype(">f8")),
        lambda file: file.create_dataset("ecg", data=values.astype(np.float16)),
        lambda file: file.create_dataset("ecg", data=(values * 1000).astype(np.int16), fletcher32=True, shuffle=True),
        lambda file: file.create_dataset("ecg", data=values.T),
        lambda file: file.create_dataset("ecg", data=values[None]),
        lambda file: file.create_dataset("ecg", data=compound), lambda file: file.create_dataset("ecg", data=1.5),
        lambda file: file.create_dataset("ecg", data=h5py.Empty("f4")),
        lambda file: file.create_dataset("ecg", shape=(0, 12), dtype="f4", maxshape=(None, 12)),
        lambda file: file.create_dataset("ecg", data=["a", "b"] * 300, dtype=texts),
        lambda file: file.create_dataset("ecg", data=np.full((600, 12), np.nan)),
        lambda file: file.create_dataset("ecg", data=values + 1j), lambda file: file.create_dataset(
            "ecg", data=values > 0), lambda file: file.create_dataset("ecg", shape=(600,), dtype=h5py.vlen_dtype("f4")),
        lambda file: file.create_dataset("ecg", shape=(600, 12), dtype=h5py.ref_dtype),
        lambda file: file.create_group("ecg"), lambda file: file.__setitem__("ecg", h5py.SoftLink("/ecg")),
        lambda file: file.create_group("ecg/ecg/ecg").create_dataset("ecg", data=values),
        lambda file: file.__setitem__("ecg", np.dtype("f4")), lambda file: None,
        lambda file: [file.create_dataset(f"ecg{number}", data=values[:12]) for number in range(40)],
        lambda file: file.create_dataset("ecg", shape=(2**31, 12), dtype="f8", chunks=(2**20, 12)),
        lambda file: file.create_dataset("ecg", shape=(2**62,), dtype="i1", chunks=(1024,)),
        lambda file: file.create_dataset("ecg", data=np.full((600, 12), 1e300)),
        lambda file: file.create_dataset("ecg", data=values).attrs.__setitem__("rate", h5py.Empty("f8")))))
