"""Records made to order, as fixtures."""

import pytest

from tests.tiny_records import twelve_leads, write_record


@pytest.fixture
def record(tmp_path):
    """`record(...)` writes one record below tmp_path/source and gives its header's path."""
    return lambda *args, **named: write_record(tmp_path / "source", *args, **named)


@pytest.fixture
def signal():
    """`signal(samples, seed)`: 12 leads as int16."""
    return twelve_leads
