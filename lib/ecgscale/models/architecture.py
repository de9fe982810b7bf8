"""What every family's hyperparameters share."""

from pydantic import ConfigDict

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
"""Of every family's dataclass. The text below a hyperparameter is its description in
docs/reference/study/families.md."""


class RejectedError(Exception):
    """A point of a design space that is no network of its family. The message names the broken constraint."""
