from dataclasses import replace

import pytest

from superinfer.cache.access_log import AccessLog
from superinfer.cache.errors import AccessLogError
from superinfer.cache.use import Kind
from superinfer.sim.cache.trace import read_requests
from unit.cache.factory import use

pytestmark = pytest.mark.unit


def test_what_is_written_is_read(tmp_path):
    log = AccessLog(tmp_path / "log.jsonl")
    log.write(use(0, 1.25, prompt_tokens=600), [7, 8])
    log.write(use(1, 2.5, prompt_tokens=1100), [7, 8, 9])
    log.close()
    first, second = read_requests(tmp_path / "log.jsonl")
    assert (first.use.time_s, first.blocks, first.use.new_tokens) == (1.25, (7, 8), 600)
    assert (second.use.seq, second.use.new_tokens) == (1, 1100 - 2 * 512)
    assert [second.tokens(index) for index in range(3)] == [512, 512, 76]


def test_it_is_bounded(tmp_path):
    log = AccessLog(tmp_path / "log.jsonl", max_bytes=1000, files=3)
    for seq in range(100):
        log.write(use(seq), [1, seq])
    log.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["log.jsonl", "log.jsonl.1", "log.jsonl.2"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    times = [request.use.time_s for request in read_requests(*tmp_path.iterdir())]
    assert times == sorted(times)
    assert times[-1] == 99.0


def test_it_goes_on_where_it_was(tmp_path):
    for seq in range(2):
        log = AccessLog(tmp_path / "log.jsonl")
        log.write(use(seq), [1, 2])
        log.close()
    assert len(read_requests(tmp_path / "log.jsonl")) == 2


def test_bounds_that_are_none(tmp_path):
    with pytest.raises(ValueError, match="not 0 and 4"):
        AccessLog(tmp_path / "log.jsonl", max_bytes=0)


def test_what_a_prompt_ends_with_is_written_if_it_is_known(tmp_path):
    log = AccessLog(tmp_path / "log.jsonl")
    log.write(use(0), [1, 2])
    log.write(replace(use(1), kind=Kind.TOOL), [1, 3])
    log.close()
    assert "kind" not in (tmp_path / "log.jsonl").read_text().splitlines()[0]
    assert [request.use.kind for request in read_requests(tmp_path / "log.jsonl")] == [Kind.UNKNOWN, Kind.TOOL]


def test_a_kind_that_is_none_names_the_line(tmp_path):
    file = tmp_path / "log.jsonl"
    file.write_text('{"timestamp": 1, "input_length": 5, "output_length": 1, "hash_ids": [1], "kind": "nosuch"}\n')
    with pytest.raises(AccessLogError, match="line 1"):
        read_requests(file)
