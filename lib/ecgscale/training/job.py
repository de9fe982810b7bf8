"""What the runs of a batch share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch

from ecgscale.contracts import SplitInfo
from ecgscale.ecg.corpus import Corpus
from ecgscale.training.ranks import Ranks


@dataclass(frozen=True)
class Job:
    """Recordings and their parts, where checkpoints lie, and what computes."""

    corpus: Corpus
    split: pd.DataFrame
    split_info: SplitInfo
    checkpoints: Path
    device: torch.device
    threads: int
    ranks: Ranks = field(default_factory=Ranks)
    teachers: Path = Path()     # folders of the runs that teach, by run_id
