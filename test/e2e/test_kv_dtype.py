"""Keys and values take two bytes by default, as on a GPU, and that changes next to nothing."""

import httpx
import pytest
import torch
from transformers import AutoTokenizer

from support.server import running_server

pytestmark = pytest.mark.e2e

TEXT = (
    "A lighthouse keeper wrote down each ship that passed: its name, its flag, the hour and the weather. After forty "
    "years the books filled a wall. When the light was made automatic, the town asked him what they should do with "
    "them. Read them aloud, he said, one evening each winter, so that somebody hears that the ships came through."
)


@pytest.fixture(scope="module")
def two_byte_server(tmp_path_factory):
    log = tmp_path_factory.mktemp("kv") / "server.log"
    with running_server(log, "--max-total-tokens", "4096", "--log-level", "info") as server:
        yield server


def logprobs(url: str, ids: list[int]) -> torch.Tensor:
    request = {
        "input_ids": ids,
        "sampling_params": {"temperature": 0, "max_new_tokens": 1},
        "return_logprob": True,
        "logprob_start_len": 0,
    }
    reply = httpx.post(f"{url}/generate", json=request, timeout=120).raise_for_status().json()
    return torch.tensor([entry[0] for entry in reply["meta_info"]["input_token_logprobs"][1:]])


def test_two_byte_keys_and_values_hardly_move_a_texts_probability(two_byte_server, base_url, model_path):
    ids = AutoTokenizer.from_pretrained(model_path)(TEXT)["input_ids"]
    exact, stored = logprobs(base_url, ids), logprobs(two_byte_server.url, ids)
    assert len(exact) == len(ids) - 1
    difference = (exact - stored).abs()
    assert 0 < difference.mean() < 0.02
    assert abs(exact.mean() - stored.mean()) < 0.005


def test_the_cache_is_in_bfloat16(two_byte_server):
    assert "dtype: torch.bfloat16" in two_byte_server.log.read_text(errors="replace")
