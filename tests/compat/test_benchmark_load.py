"""What is read from redis-benchmark."""

import pytest

from compat.benchmark.load import rate_of

HEADS = '"test","rps","avg_latency_ms","min_latency_ms"\n'


def test_the_rate_stands_in_its_column() -> None:
    assert rate_of(HEADS + '"GET","1234.50","0.1","0.2"\n') == 1234.5


def test_quotes_and_commas_in_the_command_are_no_columns() -> None:
    assert rate_of(HEADS + '"EVAL return 1 {"id":1,"name":"a name"}","99.5","0.1","0.2"\n') == 99.5


@pytest.mark.parametrize("table", ["", HEADS, HEADS + '"GET","1"\n', "Could not connect\n"])
def test_anything_else_is_an_error(table: str) -> None:
    with pytest.raises(RuntimeError):
        rate_of(table)
