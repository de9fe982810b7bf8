"""A run table of ours or of anyone's as one frame: our names, numbers, how runs ended, what is a repeat of what.

The roles of columns are settled here, once; laws, fronts, predictor and report take them from the frame, and people
read them in `Columns.told`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ecgscale.contracts import FLAG, REAL, RUNS, WHOLE, Columns, Reading, datapackage, wrong_schema
from ecgscale.contracts.run_table import COUNTS, GROWING, WHOLE_RUN, part_of
from ecgscale.contracts.tables import named_in, whole_lines
from ecgscale.errors import UserError
from ecgscale.numbers import number
from ecgscale.tables.delimited import PARQUET, Sheet, read_sheet
from ecgscale.tables.derive import derived
from ecgscale.tables.doubts import BARELY_PERCENT, doubts, not_percent
from ecgscale.tables.names import (
    FINISHED,
    LEFT_OUT,
    NAMESPACES,
    ROLES,
    SCORES,
    SIZES,
    UNUSED,
    bare,
    is_response,
    spelled,
    understand,
)
from ecgscale.tables.numbers import MISSING, as_numbers, decimal_marks, one_number, told_spreads
from ecgscale.tables.roles import find, free_name, placed, understood
from ecgscale.tables.rows import listed, narrowed

TRUE, FALSE = ("true", "1", "yes", "t", "wahr", "vrai"), ("false", "0", "no", "f", "falsch", "faux")
TRAINING_RATIO = (0.5, 1e5)     # of a column "flops" to params x samples, when it holds the FLOPs of training
ONE_SAMPLE = 1e7                # FLOPs a parameter that no forward pass of one sample takes
NOT_SETTINGS = ("time", "duration", "seconds", "memory", "norm", "step", "epoch", "runtime", "created", "user", "notes",
                "tags", "host", "date", "uri", "std", "stderr", "sem", "low", "high", "min", "max", "id", "device",
                "number", "iter", "iterations", "throughput", "energy", "timestamp", "reason", "url", "commit")
DIGITS = 12                     # of a size; what is behind them is rounding
DESIGNED = 3                    # places and values, from which values that are the same at every place were set
MANY = 20                       # values, more than a grid of a setting has
ONCE = 0.25                     # share of a measurement's values, at least, that stand in one row alone
SAME_COUNT = 0.01               # by which two columns of one count may differ, as of whole batches
CHANGED = "the file was changed since it was written (its digest is another one): read as it stands"


@dataclass(frozen=True)
class RunTable:
    """frame: a row a run; run_id, status ("finished" or as it ended), sizes, scores and losses by our names."""

    frame: pd.DataFrame
    columns: Columns


def read_runs(path: Path | str, reading: Reading | None = None) -> RunTable:
    """Raises UserError with line and field, and with what was understood where that is in doubt."""
    path = Path(path)
    with open(path, "rb") as stream:
        typed = stream.read(4) == PARQUET
    if typed and is_ours(path):
        sheet = Sheet.of(RUNS.read(path))
    elif typed:
        datapackage.check_unchanged(path, datapackage.described(path))
        sheet = read_sheet(path)
    else:
        resource = datapackage.described(path)
        check_name(path, resource)
        sheet = read_sheet(path)
        if datapackage.is_changed(path, resource):
            sheet = replace(sheet, notices=(*sheet.notices, CHANGED))
    try:
        return run_table(sheet, reading)
    except UserError as error:
        raise UserError(error.problem, file=path, line=error.line, field=error.field, remedy=error.remedy) from None


def read_telling(path: Path | str, reading: Reading | None = None) -> RunTable:
    """As `read_runs`, for commands that print no summary of the table: what has to be said of it goes to stderr."""
    read = read_runs(path, reading)
    for notice in read.columns.notices:
        print(f"{path}: {notice}", file=sys.stderr)
    return read


def read_any(table: Path | str | pd.DataFrame, reading: Reading | None = None) -> RunTable:
    """A run table from its file, or from a frame: of pandas, or of another library whose frames become pandas's
    (`to_pandas`). Raises UserError for anything else."""
    if not isinstance(table, pd.DataFrame) and hasattr(table, "to_pandas"):
        table = table.to_pandas()
    if isinstance(table, pd.DataFrame):
        return run_table(Sheet.of(table), reading)
    if not isinstance(table, (str, Path)):
        raise UserError(f"{type(table).__name__} is no table", field="table",
                        remedy="Give a file's name or a frame: pandas.DataFrame(...)")
    return read_runs(table, reading)


def check_name(path: Path, resource: dict[str, Any] | None) -> None:
    """A CSV that is said to be a table of ours must be of this version, and whole."""
    found = named_in(path, resource)
    if found not in (None, RUNS.schema_id()):
        raise wrong_schema(found, RUNS.schema_id(), path)
    if found and not whole_lines(path):
        raise UserError("ends within a line", file=path, remedy="It was cut off: make it again")


def is_ours(path: Path) -> bool:
    try:
        with open(path, "rb") as stream:
            return b"ecgscale" in (pq.read_schema(stream).metadata or {})
    except (OSError, ValueError):
        return True                 # the contract says what is wrong with it


def run_table(sheet: Sheet, reading: Reading | None = None) -> RunTable:
    return Reader(sheet, reading or Reading()).table()


class Reader:
    """One table on its way from cells to a RunTable; `notices` gathers what has to be said."""

    def __init__(self, sheet: Sheet, reading: Reading):
        if not sheet.header:
            raise UserError("the first line holds numbers: there is no header", line=1,
                            remedy="Name the columns in the first line: a size, and a score or loss")
        sheet = narrowed(sheet, reading.where)
        self.sheet, self.reading = sheet, reading
        self.notices = list(sheet.notices)
        self.names = [understand(name) for name in sheet.names]
        self.ours = set(RUNS.columns) <= {name.plain for name in self.names}
        self.decimal = decimal_marks(sheet.columns, sheet.delimiter)
        self.places = placed(sheet, self.names, self.reading, self.decimal, self.ours)
        self.written = {ours: sheet.names[place] for ours, place in self.places.items()}
        self.values: dict[str, np.ndarray] = {}
        self.barely_percent: set[str] = set()

    def table(self) -> RunTable:
        for name, place in self.places.items():
            self.values[name] = self.cells(name, place)
        self.settle_words()
        self.derive()
        self.settle_sizes()
        self.settle_unique()
        self.settle_flops()
        self.settle_shares()
        frame = pd.DataFrame(self.values, index=np.arange(len(self.sheet.lines)))
        frame = self.with_identity(self.with_status(frame))
        frame = self.without_copies(self.with_designed_scores(frame))
        responses = self.responses(frame)
        self.check_needed(frame, responses)
        for name in responses:          # of many that nobody asked for, the notice is enough
            if name in self.barely_percent and (len(responses) == 1 or self.is_asked(name)):
                raise not_percent(self.written[name])
        self.notices += doubts(frame, self.values, responses, self.written, ours=self.ours)
        keys = self.configuration(frame, responses)
        if keys and not self.ours and not self.has_configuration(frame):
            number = frame.groupby(keys, dropna=False, sort=False).ngroup()
            frame["configuration"] = number.map(lambda value: f"configuration {value + 1}")
        return RunTable(frame, self.told(frame, responses, keys))

    def cells(self, ours: str, place: int) -> np.ndarray:
        """(row,) values of a column: numbers where it holds nothing else, or must; else text with None where empty."""
        name, cells = self.names[place], self.sheet.columns[place]
        kind = RUNS.type_of(ours)
        if kind == FLAG:
            return self.flags(ours, cells)
        if ours in ("run_id", "status", "configuration") or (kind is not None and kind not in (REAL, WHOLE, FLAG)
                                                             and not is_response(ours)):
            return text(cells)
        try:
            found = as_numbers(cells, self.decimal, units=ours in SIZES)
        except UserError as error:
            raise UserError(error.problem, field=self.sheet.names[place], remedy=error.remedy) from None
        asked = self.sheet.names[place] in self.reading.responses or ours in self.reading.responses
        needed = ours in SIZES or asked or (is_response(ours) and ours != "loss") or (
            self.ours and kind in (REAL, WHOLE)) or ours == "loss"
        if found.wrong.any():
            numeric = np.isfinite(found.values).any()
            if needed and (numeric or asked):
                row = int(np.flatnonzero(found.wrong)[0])
                raise UserError(f"{str(cells[row]).strip()!r} is not a number", line=int(self.sheet.lines[row]),
                                field=self.sheet.names[place])
            return text(cells)
        if not np.isfinite(found.values).any() and not needed and (found.wrong.any() or kind not in (REAL, WHOLE)):
            return text(cells)
        if needed and found.lost.any():
            words = sorted({str(cells[row]).strip() for row in np.flatnonzero(found.lost)})
            self.notices.append(f"{self.sheet.names[place]}: {', '.join(words)} in {found.lost.sum()} row(s) read as "
                                "empty")
        self.notices += told_spreads(self.sheet.names[place], cells) if needed else []
        factor = name.factor if ours in SIZES or is_response(ours) else 1.0
        if factor != 1.0:
            self.notices.append(f"{self.sheet.names[place]}: times {factor:,.10g} for its unit {name.unit!r}")
        if ours in COUNTS and factor == 1.0 and is_fraction(found.values):
            written = self.sheet.names[place]
            self.notices.append(f"{written}: holds fractions, so it is no plain count of {ours}. If it is in millions: "
                                f"--derive '{ours}={spelled(written)}*1e6' (in billions: 1e9), or write the unit in "
                                "its name")
        values = found.values * factor
        none = np.isinf(values) | (values <= 0) if ours in SIZES else np.zeros(len(values), dtype=bool)
        if none.any():
            self.notices.append(f"{self.sheet.names[place]}: infinite, 0 or below in {none.sum()} row(s), where it is "
                                "taken for not known")
        return np.where(none, np.nan, values)

    def flags(self, ours: str, cells: np.ndarray) -> np.ndarray:
        if cells.dtype == bool:
            return cells
        words = [str(cell).strip().casefold().removesuffix(".0") for cell in cells]
        unknown = next((i for i, word in enumerate(words) if word not in TRUE + FALSE and word not in MISSING), None)
        if unknown is not None:
            raise UserError(f"{words[unknown]!r} is neither true nor false", line=int(self.sheet.lines[unknown]),
                            field=ours)
        return np.array([word in TRUE for word in words])

    def derive(self) -> None:
        for wanted, expression in self.reading.derived.items():
            ours = understand(wanted).role or understand(wanted).plain
            if ours in self.values:
                raise UserError(f"is in the table already, as {self.written[ours]!r}", field=f"--derive {wanted}")
            numbers = {name: values for name, values in self.values.items() if values.dtype == float}
            plain = {understand(self.written[name]).plain: values for name, values in numbers.items()}
            raw = {self.written[name]: values for name, values in numbers.items()}
            self.values[ours] = np.broadcast_to(derived(expression, raw | plain | numbers), len(self.sheet.lines))
            self.written[ours] = f"{expression} (derived)"

    def settle_words(self) -> None:
        """A setting that is a number with us and holds words here ("auto", "1e-3, then 1e-4") keeps them under a name
        of its own."""
        for name in [name for name, values in self.values.items() if values.dtype == object
                     and RUNS.type_of(name) in (REAL, WHOLE)]:
            written = self.written[name]
            self.rename(name, free_name(f"{name}_", self.values))
            self.notices.append(f"{written}: holds words, so not read as {name}")

    def rename(self, name: str, other: str) -> None:
        self.values[other], self.written[other] = self.values.pop(name), self.written.pop(name)

    def settle_sizes(self) -> None:
        """Sizes that arithmetic left a last digit apart are one size, as 3 x 4.1 x 1e9 and 12.3e9."""
        for name in [] if self.ours else [name for name in SIZES if name in self.values]:
            self.values[name] = np.array([float(f"{value:.{DIGITS}g}") for value in self.values[name]])

    def settle_unique(self) -> None:
        """A D beside tokens that is these tokens again, in every row, counts no unique samples."""
        if bare(self.written.get("train_records", "")) != "d" or "samples_seen" not in self.values:
            return
        unique, seen = self.values["train_records"], self.values["samples_seen"]
        known = np.isfinite(unique) & np.isfinite(seen)
        if known.any() and np.allclose(unique[known], seen[known], rtol=SAME_COUNT):
            self.notices.append(f"{self.written['train_records']}: as {self.written['samples_seen']} in every row, so "
                                "no count of unique samples")
            self.rename("train_records", free_name("d", self.values))

    def settle_flops(self) -> None:
        """A column that is called "flops" alone holds those of training where they go with params x samples, or where
        no forward pass takes as many."""
        if bare(self.written.get("forward_flops", "")) != "flops" or "train_flops" in self.values \
                or "params" not in self.values:
            return
        with np.errstate(all="ignore"):
            each = self.values["forward_flops"] / self.values["params"]
            ratio = np.nanmedian(each / self.values["samples_seen"]) if "samples_seen" in self.values else np.nan
            many = np.nanmedian(each)
        if TRAINING_RATIO[0] <= ratio <= TRAINING_RATIO[1]:
            why = f"{number(ratio, 2)} times params x samples"
        elif many > ONE_SAMPLE:
            why = f"{number(many, 2)} a parameter, more than a forward pass of one sample takes"
        else:
            return
        self.rename("forward_flops", "train_flops")
        self.notices.append(f"{self.written['train_flops']}: {why}, so taken for the FLOPs of training")

    def settle_shares(self) -> None:
        """Scores of 0 to 100 are percent."""
        for name in [name for name in self.values if SCORES.search(name) and self.values[name].dtype == float]:
            known = self.values[name][np.isfinite(self.values[name])]
            if len(known) and known.max() > 1.5 and known.max() <= 100 and known.min() >= 0:
                for column in (name, f"{name}_low", f"{name}_high"):
                    if column in self.values:
                        self.values[column] = self.values[column] / 100
                self.notices.append(f"{self.written[name]}: {known.min():g} to {known.max():g}, taken for percent")
                self.barely_percent |= {name} if known.max() <= BARELY_PERCENT else set()

    def with_status(self, frame: pd.DataFrame) -> pd.DataFrame:
        """status: "finished", or how else a run ended, in the table's own words."""
        if "status" not in frame:
            return frame
        words = frame["status"].fillna("").astype(str).str.strip()
        plain = words.str.casefold().str.replace(r"[ -]+", "_", regex=True)
        known = plain.isin(FINISHED | LEFT_OUT | {""})
        if not known.any() or (plain == "").all():
            self.notices.append(f"{self.written['status']}: tells nothing about how runs ended "
                                f"({', '.join(sorted(set(words))[:4])}), not used as their status")
            self.written.pop("status")
            return frame.rename(columns={"status": free_name("status_", frame)})
        if not known.all():
            place = int(np.flatnonzero(~known)[0])
            raise UserError(f"{words.iloc[place]!r} is neither a run that finished nor one that did not",
                            line=int(self.sheet.lines[place]), field=self.written["status"],
                            remedy=f"Known are {', '.join(sorted(FINISHED))}; {', '.join(sorted(LEFT_OUT))}")
        ended = plain.where(~plain.isin(FINISHED), "finished").where(plain != "", "unknown")
        if not self.ours and not ended.eq("finished").any():
            self.notices.append(f"{self.written['status']}: no run finished ({listed(sorted(set(words)), 4)}), so none "
                                f"is used. To use them all: --map {UNUSED}={self.written['status']!r}")
        return frame.assign(status=ended)

    def with_identity(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A run_id for every row, each once; rows that repeat another one to the last digit are left out."""
        if "run_id" not in frame and (name := self.names_rows(frame)):
            frame, self.written["run_id"] = frame.rename(columns={name: "run_id"}), self.written.pop(name)
        if "run_id" not in frame:
            frame.insert(0, "run_id", [f"row-{line}" for line in self.sheet.lines])
            return frame
        ids = frame["run_id"].map(lambda value: "" if value is None or value != value else str(value).strip())
        frame["run_id"] = ids.where(ids.ne(""), [f"row-{line}" for line in self.sheet.lines])
        copies = frame.duplicated()
        if copies.any():
            self.notices.append(f"{copies.sum()} row(s) repeat another one in every column: left out")
            frame = frame[~copies].reset_index(drop=True)
        again = frame.groupby("run_id").cumcount()
        if again.any():
            shared, growing = f"{self.written['run_id']}: {(again > 0).sum()} row(s) share it with an earlier one", \
                self.of_growing_runs(frame)
            self.notices.append(f"{shared}; numbered" if growing is None else
                                f"{shared}, and differ by how far the run had trained: taken for "
                                f"{growing.nunique():,} runs at several checkpoints each. Of runs that were trained "
                                f"apart: --map {UNUSED}={self.written['run_id']!r}")
            if growing is not None:
                frame[WHOLE_RUN] = growing
            frame["run_id"] = frame["run_id"].where(again.eq(0), frame["run_id"] + "#" + (again + 1).astype(str))
        return frame

    def of_growing_runs(self, frame: pd.DataFrame) -> pd.Series | None:
        """(row,) name of the run that a row is a checkpoint of, where rows of one name differ by how far it had trained
        and in nothing else that defines a run; None where names are shared for another reason."""
        fixed = [name for name in frame if name in ROLES and name not in (*GROWING, "run_id", "status", "latency_ms")]
        grew = [name for name in GROWING if name in frame]
        names = frame.groupby("run_id")
        apart = names[fixed].nunique(dropna=False).gt(1).any(axis=1) if fixed else False
        further = names[grew].nunique().gt(1).any(axis=1) if grew else False
        several = names.size().gt(1)
        if not several.any() or not (several & further & ~np.asarray(apart))[several].all():
            return None
        return frame["run_id"].copy()

    def names_rows(self, frame: pd.DataFrame) -> str | None:
        """The first column of words that tells every row from every other: a table of models is a row a model."""
        return next((name for name, cells in self.values.items() if cells.dtype == object and name not in ROLES
                     and not meaning(self.written[name]) and frame[name].notna().all() and frame[name].is_unique), None)

    def responses(self, frame: pd.DataFrame) -> list[str]:
        """The columns that may be explained: those asked for, else every score and loss."""
        asked = []
        for wanted in self.reading.responses:
            ours = wanted if wanted in frame else self.called(wanted)
            if ours not in frame or frame[ours].dtype != float:
                raise UserError("holds no numbers", field=wanted, remedy="Name a column of scores or losses")
            asked.append(ours)
        return asked or [name for name in measures(frame) if frame[name].notna().any()] or measures(frame)

    def is_asked(self, ours: str) -> bool:
        """Whether the user named the column."""
        return self.written[ours] in (*self.reading.responses, *self.reading.roles.values())

    def with_designed_scores(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A column that is called a score or loss and has the same values at every place of the sizes was set, as the
        quality of the data: a setting under a name of its own."""
        sizes = [name for name in SIZES if name in frame]
        for name in [] if self.ours or not sizes else measures(frame):
            sets = frame.groupby(sizes)[name].agg(lambda values: frozenset(values.dropna()))
            if self.is_asked(name) or len(sets) < DESIGNED or len(set(sets)) > 1 or len(sets.iloc[0]) < DESIGNED:
                continue
            free = free_name(f"{name}_", frame)
            self.notices.append(f"{self.written[name]}: the same {len(sets.iloc[0])} values at every place of the "
                                f"sizes, so a setting. If it was measured: --response {self.written[name]!r}")
            frame, self.written[free] = frame.rename(columns={name: free}), self.written.pop(name)
        return frame

    def without_copies(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Each score or loss once: a column that has the values of another in every row is looked at once."""
        several = [] if self.ours or self.reading.responses else measures(frame)
        kept: list[str] = []
        for name in sorted(several, key=lambda one: part_of(f"{one}_") == "training"):
            same = next((one for one in kept if frame[one].equals(frame[name])), None)
            if same is None or frame[name].isna().all():
                kept.append(name)
                continue
            self.notices.append(f"{self.written[name]}: as {self.written[same]} in every row, looked at once")
            frame = frame.drop(columns=name)
        return frame

    def called(self, written: str) -> str:
        """Our name of a column that the user named as it stands in the file."""
        place = find(self.sheet, self.names, written)
        return next((name for name, other in self.places.items() if other == place), "")

    def check_needed(self, frame: pd.DataFrame, responses: list[str]) -> None:
        sizes = [name for name in SIZES if name in frame]
        if (not sizes or not responses) and not self.ours:
            missing = "size" if not sizes else "score or loss"
            self.refuse_words(frame, missing)
            example = "--map params=COLUMN" if not sizes else \
                "--map score=COLUMN for a score, --map loss=COLUMN for a loss"
            numbers = [name for name in self.sheet.names if one_number(name, ".", units=True)[1] == "number"]
            pivot = f"The header holds sizes ({listed(numbers, 3)}): give a row a run, as pandas.melt makes. " \
                if len(numbers) > 1 else ""
            raise UserError(
                f"no column is a {missing} that is known here", line=1,
                remedy=f"{pivot}Name a size ({', '.join(list(SIZES)[:5])}) and a score or loss (..._score, accuracy, "
                       f"loss), or say which column it is: {example}. {understood(self.sheet, self.names)}. A bare "
                       "learning curve goes to ecg-extrapolate")

    def refuse_words(self, frame: pd.DataFrame, missing: str) -> None:
        """Raises UserError for a column that is called what is missing and holds words."""
        for name, column in frame.items():
            written = self.written.get(str(name), "")
            if meaning(written) == missing and not pd.api.types.is_numeric_dtype(column) and column.notna().any():
                raise UserError(f"is called a {missing} and holds no number: {column.dropna().iloc[0]!r}", line=1,
                                field=written, remedy="Write numbers, units behind them or in the name: 1.4B, 85 %, "
                                                      "0.31 ± 0.02")

    def has_configuration(self, frame: pd.DataFrame) -> bool:
        return "configuration" in frame and frame["configuration"].notna().all() and not self.reading.configuration

    def configuration(self, frame: pd.DataFrame, responses: list[str]) -> list[str]:
        """The columns that define a run but for its seed: as asked, else sizes, settings, and whatever else varies and
        repeats among the rows without being a score, a measurement or a name."""
        if self.reading.configuration:
            return [name if name in frame else self.called(name) for name in self.reading.configuration]
        if self.has_configuration(frame):
            return ["configuration"]
        known = [name for name in ROLES if name in frame and name not in ("run_id", "status", "seed", "latency_ms")]
        known += [name for name in frame if name.startswith("hp_")]
        if self.ours:
            return known
        taken = {*ROLES, *known, *responses, WHOLE_RUN}
        return known + [name for name in frame if name not in taken and self.is_setting(name, frame[name])]

    def is_setting(self, name: str, column: pd.Series) -> bool:
        distinct = column.nunique(dropna=False)
        if distinct < 2 or is_response(name) or set(name.split("_")) & set(NOT_SETTINGS) or is_measured(column):
            return False
        if "seed" in self.values and understand(self.written.get(name, "")).role == "seed":     # a second name of it
            return False
        space = NAMESPACES.match(name)
        return bool(space and space[1] not in ("metric", "metrics", "summary")) or distinct <= len(column) / 2

    def told(self, frame: pd.DataFrame, responses: list[str], keys: list[str]) -> Columns:
        roles = {name: self.written[name] for name in ROLES if name in frame and name in self.written}
        roles.pop("seed", None)
        used = {*ROLES, *responses, *keys, "configuration"}
        named = () if self.ours else (self.written[name] for name in self.places if name not in used
                                      and name in self.written)
        return Columns(roles=roles, responses={name: self.written[name] for name in responses},
                       configuration=tuple(keys), seed=self.written.get("seed"), unused=tuple(named),
                       notices=tuple(self.notices))


def measures(frame: pd.DataFrame) -> list[str]:
    """The columns of scores and losses."""
    return [name for name in frame if is_response(name) and frame[name].dtype == float]


def meaning(written: str) -> str:
    """What a column's name says that it holds: a "size", a "score or loss", or "" for anything else."""
    name = understand(written)
    return "size" if name.role in SIZES else "score or loss" if is_response(name.plain) else ""


def is_measured(column: pd.Series) -> bool:
    """Whether a column holds measurements of the runs, as another benchmark: many fractions, of which as many stand in
    one row alone as no grid of settings leaves."""
    if column.dtype != float or not is_fraction(column.to_numpy()):
        return False
    rows = column.value_counts()
    return bool(len(rows) > MANY and rows.eq(1).mean() >= ONCE)


def is_fraction(values: np.ndarray) -> bool:
    """Whether numbers (row,) are no counts: some have decimals, and all are small enough to show them."""
    known = values[np.isfinite(values)]
    return bool(len(known) and np.abs(known).max() < 1e6 and (known != np.round(known)).any())


def text(cells: np.ndarray) -> np.ndarray:
    return np.array([None if cell is None or cell is pd.NA or cell != cell or str(cell).strip() == "" else
                     str(cell).strip() for cell in cells], dtype=object)
