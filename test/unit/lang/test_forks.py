import asyncio
import time

import pytest

import superinfer
from superinfer import gen

pytestmark = pytest.mark.unit


def test_branches_go_on_from_the_same_text_side_by_side(server):
    @superinfer.function
    def program(s):
        s += "Tips: "
        forks = s.fork(3)
        forks += lambda i: f"{i}" * (i + 1)
        forks += gen("tip")
        forks.join()
        return s["tip"]

    assert program.run(backend=server).ret_value == [" answer of 7", " answer of 8", " answer of 9"]
    assert sorted(payload["text"] for payload in server.calls) == ["Tips: 0", "Tips: 11", "Tips: 222"]


def test_branches_really_run_side_by_side(server):
    async def close_gate():
        server.gate = asyncio.Event()

    @superinfer.function
    def program(s):
        forks = s.fork(5)
        forks += "x" + gen("a")
        while server.in_flight < 5:
            time.sleep(0.001)
        server.open_gate()
        forks.join()

    server.loop.run(close_gate())
    program.run(backend=server)
    assert server.most_in_flight == 5


def test_the_common_text_is_prefilled_once_for_several_branches(server):
    @superinfer.function
    def program(s, size):
        s += "common"
        s.fork(size)

    program.run(4, backend=server)
    assert [(payload["text"], payload["sampling_params"]["max_new_tokens"]) for payload in server.payloads] == [
        ("common", 0)
    ]
    program.run(1, backend=server)
    assert len(server.payloads) == 1


@pytest.mark.parametrize("stock_endpoint", [False, True])
def test_joining_by_text_works_although_the_servers_endpoint_is_gone(server, stock_endpoint):
    server.endpoint.support_concate_and_append = stock_endpoint

    @superinfer.function
    def program(s):
        s += "Tips:"
        forks = s.fork(2)
        for i, fork in enumerate(forks):
            fork += f" {i}." + gen("tip")
        forks.join("concate_and_append")
        s += " Summary:" + gen("summary")

    state = program.run(backend=server)
    joined = "Tips: 0. answer of 8 1. answer of 8 Summary:"
    assert state.text() == f"{joined} answer of {len(joined)}"
    assert server.calls[-1]["text"] == joined


def test_variables_of_the_program_are_seen_in_branches_and_not_the_other_way(server):
    @superinfer.function
    def program(s):
        s += "x" + gen("a")
        branch = s.fork(1)[0]
        branch += gen("b")
        branch.sync()
        return branch["a"], branch.get_meta_info("a")["prompt_tokens"], "b" in s

    assert program.run(backend=server).ret_value == (" answer of 1", 1, False)


def test_an_unknown_way_to_join_is_refused(server):
    with pytest.raises(ValueError, match="Invalid join mode: glue"):
        superinfer.function(lambda s: s.fork(2).join("glue")).run(backend=server)


def test_roles_go_on_in_branches(server):
    @superinfer.function
    def program(s):
        s += superinfer.assistant_begin() + "Well,"
        branch = s.fork(1)[0]
        branch += gen("a")
        branch += superinfer.assistant_end()
        return branch.messages()

    answer = " answer of 15"
    assert program.run(backend=server).ret_value == [{"role": "assistant", "content": f"Well,{answer}"}]
