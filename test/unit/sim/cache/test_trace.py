import json

import pytest

from superinfer.cache.errors import AccessLogError
from superinfer.sim.cache.trace import read_requests

pytestmark = pytest.mark.unit

ROW = {"timestamp": 0, "input_length": 1000, "output_length": 5, "hash_ids": [1, 2]}


def written(tmp_path, *rows):
    path = tmp_path / "trace.jsonl"
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


def test_classes_and_tenants_may_be_given(tmp_path):
    (one,) = read_requests(written(tmp_path, ROW | {"slo_class": 2, "tenant": 11}))
    assert (one.use.slo_class, one.use.tenant, one.use.output_tokens) == (2, 3, 5)


def test_prompts_without_blocks_share_nothing(tmp_path):
    rows = [{name: value for name, value in ROW.items() if name != "hash_ids"}] * 2
    first, second = read_requests(written(tmp_path, *rows))
    assert len(first.blocks) == len(second.blocks) == 2
    assert not set(first.blocks) & set(second.blocks)


def test_azures_traces_are_read(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n")
    found = read_requests(path)
    assert len(found) == 1
    assert all(one.use.new_tokens == one.use.prompt_tokens for one in found)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["{"], "line 1: not a request"),
        ([ROW, {"timestamp": 0}], "line 2: not a request .KeyError..input_length"),
        ([ROW | {"hash_ids": [1]}], "1 blocks for a prompt of 1000 tokens"),
        ([ROW, ROW | {"hash_ids": [3, 2]}], "line 2: .*block 2 followed block 1 before, now 3"),
    ],
)
def test_lines_that_are_no_requests(tmp_path, rows, message):
    with pytest.raises(AccessLogError, match=message):
        read_requests(written(tmp_path, *rows))
