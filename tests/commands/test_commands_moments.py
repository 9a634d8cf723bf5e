"""Moments in JSON."""

import inspect

import msgspec
import pytest

from console.commandline.shapes import TIMES
from model import records

RECORDS = [
    pytest.param(kind, id=name)
    for name, kind in inspect.getmembers(records, inspect.isclass)
    if issubclass(kind, msgspec.Struct)
]


@pytest.mark.parametrize("kind", RECORDS)
def test_each_moment_of_a_record_is_written_out(kind: type[msgspec.Struct]) -> None:
    assert {name for name in kind.__struct_fields__ if name.endswith("_at")} <= TIMES
