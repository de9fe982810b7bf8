"""Every file that crosses a stage: its schema, its version, its one writer and its one reader.

Nothing else in the project spells a column name of another stage's file. A file of another version is refused by
name. To change a schema: bump its version here, convert the committed examples (`tests/lib/test_contracts.py` finds
them), and say so in CHANGELOG.md. Adding an *optional* column or a field with a default is not a new version.

Tables are Parquet, or CSV for small ones a person opens first; the datapackage.json beside them describes every column.
Documents are JSON with a `schema` member. Every file is written whole or not at all. `python -m ecgscale.contracts`
prints what is declared here.
"""

from ecgscale.contracts.analysis import EFFECTS, FRONTIER, IMPORTANCE, OPTIMA, PREDICTED, RATES, Predictor
from ecgscale.contracts.collected import AXES, DIFFERENCES, NOISE, RUNS, SOURCES
from ecgscale.contracts.corpus import (
    CLASS_COUNTS,
    LEADS,
    PARTS,
    RECORDS,
    REJECTS,
    SOURCE_COUNTS,
    SPLIT,
    Shard,
    SplitInfo,
    read_split,
    write_split,
)
from ecgscale.contracts.datapackage import refuse_foreign
from ecgscale.contracts.deploy import CONFIRMED, DEPLOYMENT, MEMORY, Bundle, Kit
from ecgscale.contracts.digests import changed, check_digests, concatenated_digest, digest, file_digest, file_digests
from ecgscale.contracts.evaluation import (
    METRICS,
    PREDICTIONS,
    RECALIBRATION,
    RELIABILITY,
    STRIPS,
    Example,
    Examples,
    ScoredClass,
)
from ecgscale.contracts.export import Artefact, Export
from ecgscale.contracts.files import Document, Part, wrong_schema
from ecgscale.contracts.latency import LATENCY, STREAMING, TIMES, Control, Environment
from ecgscale.contracts.laws import AHEAD, LAW_TABLE, NEXT, Columns, LawFit, Laws, Reading, Speed
from ecgscale.contracts.names import FAMILIES, RUNTIMES
from ecgscale.contracts.output import Wrote, marked, never, remove_folder, whole, whole_folder, write_array, write_text
from ecgscale.contracts.plan import (
    RUN_MEMORY,
    Ledger,
    LossSpec,
    ModelSpec,
    OptimizerSpec,
    Plan,
    PlannedRun,
    RunSpec,
    ScheduleSpec,
    Teaching,
    Tuning,
)
from ecgscale.contracts.reading import ContractError, plain_file, read_array, read_arrays, read_json, read_text, reading
from ecgscale.contracts.rounds import ROUNDS, Decision, Foretold, Round, read_rounds
from ecgscale.contracts.runs import HISTORIES, HISTORY, TUNING, RunResult, read_results
from ecgscale.contracts.tables import FLAG, REAL, TEXT, WHOLE, Table, joined, read_all
from ecgscale.contracts.tensors import read_tensors, write_tensors

__all__ = [
    "AHEAD", "AXES", "CLASS_COUNTS", "CONFIRMED", "DEPLOYMENT", "DIFFERENCES", "EFFECTS", "FAMILIES", "FLAG",
    "FRONTIER", "HISTORIES", "HISTORY", "IMPORTANCE", "LATENCY", "LAW_TABLE", "LEADS", "MEMORY", "METRICS", "NEXT",
    "NOISE", "OPTIMA", "PARTS", "PREDICTED", "PREDICTIONS", "RATES", "REAL", "RECALIBRATION", "RECORDS", "REJECTS",
    "RELIABILITY", "ROUNDS", "RUNS", "RUNTIMES", "RUN_MEMORY", "SOURCES", "SOURCE_COUNTS", "SPLIT", "STREAMING",
    "STRIPS", "TEXT", "TIMES", "TUNING", "WHOLE", "Artefact", "Bundle", "Columns", "ContractError", "Control",
    "Decision", "Document", "Environment", "Example", "Examples", "Export", "Foretold", "Kit", "LawFit", "Laws",
    "Ledger", "LossSpec", "ModelSpec", "OptimizerSpec", "Part", "Plan", "PlannedRun", "Predictor", "Reading", "Round",
    "RunResult", "RunSpec", "ScheduleSpec", "ScoredClass", "Shard", "Speed", "SplitInfo", "Table", "Teaching", "Tuning",
    "Wrote", "changed", "check_digests", "concatenated_digest", "digest", "file_digest", "file_digests", "joined",
    "marked", "never", "plain_file", "read_all", "read_array", "read_arrays", "read_json", "read_results",
    "read_rounds", "read_split", "read_tensors", "read_text", "reading", "refuse_foreign", "remove_folder", "whole",
    "whole_folder", "write_array", "write_split", "write_tensors", "write_text", "wrong_schema",
]
