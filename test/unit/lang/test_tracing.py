import pytest
from sglang.lang.ir import SglGen, SglVariable

import superinfer
from superinfer import gen, image, user, video
from superinfer.lang.tracing import common_prefix

pytestmark = pytest.mark.unit


@superinfer.function
def inner(s, x):
    s += "inner" + gen("i")


@superinfer.function
def program(s, question):
    s += "Tell me: "
    s += question
    forks = s.fork(2, slo="batch")
    forks += gen("tip", slo="interactive")
    inner(x=1)
    s += gen("a")


def test_the_graph_of_a_program_with_slos(server):
    trace = program.trace(backend=server)
    assert isinstance(trace.variables["a"], SglVariable)
    assert [type(state).__name__ for state in trace.child_states] == ["Tracer"]
    assert [node.name for node in trace.flatten_nodes() if isinstance(node, SglGen)] == ["a"]
    assert server.payloads == []


def test_a_trace_needs_no_backend():
    assert "Constant('Tell me: ')" in program.trace().last_node.print_graph_dfs()


def test_arguments_may_be_given():
    assert "Constant('Why?')" in program.trace(question="Why?").last_node.print_graph_dfs()


def test_images_and_videos_are_nodes_like_others():
    for node in (image("a.png"), video("a.mp4", 8)):
        assert isinstance(node.node_id, int)

    @superinfer.function
    def looks(s):
        s += "see"
        s += image("a.png")

    assert "SglImage(a.png)" in looks.trace().last_node.print_graph_dfs()


def test_the_common_prefix_ends_where_arguments_begin(server):
    assert common_prefix(program, server.endpoint) == "Tell me: "
    assert common_prefix(program.bind(question="Why?"), server.endpoint) == "Tell me: Why?"


def test_the_common_prefix_ends_where_code_needs_a_value(server):
    @superinfer.function
    def looks_at_it(s, n):
        s += "Count "
        s += user("to")
        s += "x" * n

    assert common_prefix(looks_at_it, server.endpoint) == "Count USER:to\n"


def test_caching_a_prefix(server):
    long = superinfer.function(lambda s: s.__iadd__("y" * 65))
    superinfer.function(lambda s: s.__iadd__("y" * 64)).cache(backend=server)
    assert server.payloads == []
    long.cache(backend=server)
    assert [payload["text"] for payload in server.payloads] == ["y" * 65]
