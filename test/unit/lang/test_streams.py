import pytest

import superinfer
from superinfer import gen, select

pytestmark = [pytest.mark.unit, pytest.mark.timeout(30)]


@superinfer.function
def two(s):
    s += "Q: " + gen("a") + " and " + gen("b")


def broken_after_first(payload):
    if "and" in payload["text"]:
        raise LookupError("no")
    return " answer of 3"


def test_the_text_comes_in_chunks_and_is_complete(server):
    state = two.run(stream=True, backend=server)
    chunks = list(state.text_iter())
    assert "".join(chunks) == state.text() == "Q:  answer of 3 and  answer of 20"


def test_one_variable_comes_in_chunks(server):
    state = two.run(stream=True, backend=server)
    assert "".join(state.text_iter("b")) == " answer of 20"
    assert "".join(state.text_iter("a")) == state["a"] == " answer of 3"


def test_a_stream_can_be_read_twice_at_different_paces(server):
    state = two.run(stream=True, backend=server)
    slow, fast = state.text_iter(), list(state.text_iter())
    assert "".join(slow) == "".join(fast)


async def test_reading_in_an_event_loop(server):
    state = two.run(stream=True, backend=server)
    assert "".join([chunk async for chunk in state.text_async_iter()]) == state.text()
    pairs = [pair async for pair in state.text_async_iter("a", return_meta_data=True)]
    assert "".join(chunk for chunk, _ in pairs) == " answer of 3"
    assert all(meta_info["prompt_tokens"] == 3 for _, meta_info in pairs)


def test_what_is_not_a_stream_comes_in_one_piece(server):
    state = two.run(backend=server)
    assert list(state.text_iter()) == [state.text()]
    assert list(state.text_iter("a")) == [" answer of 3"]


async def test_what_is_not_a_stream_comes_in_one_piece_in_an_event_loop_too(server):
    state = two.run(backend=server)
    assert [chunk async for chunk in state.text_async_iter()] == [state.text()]
    assert [chunk async for chunk in state.text_async_iter("a")] == [" answer of 3"]


@pytest.mark.parametrize("name", [None, "b"])
def test_an_error_is_raised_after_the_chunks_before_it(server, name):
    server.answer = broken_after_first
    state = two.run(stream=True, backend=server)
    chunks = []
    with pytest.raises(LookupError):
        chunks.extend(state.text_iter(name))
    assert "".join(chunks) == ("Q:  answer of 3 and " if name is None else "")
    assert "".join(state.text_iter("a")) == " answer of 3"
    assert isinstance(state.error(), LookupError)


def test_an_error_in_the_programs_own_code_is_raised_too(server):
    @superinfer.function
    def program(s):
        s += "x"
        raise LookupError("mine")

    state = program.run(stream=True, backend=server)
    with pytest.raises(LookupError, match="mine"):
        list(state.text_iter())


def test_a_variable_that_never_comes_ends_the_stream(server):
    assert list(two.run(stream=True, backend=server).text_iter("nothing")) == []


def test_choices_in_a_stream(server):
    server.favourite = "b"
    state = superinfer.function(lambda s: s.__iadd__("x" + select("c", ["a", "b"]))).run(stream=True, backend=server)
    assert "".join(state.text_iter()) == "xb"
    assert "".join(state.text_iter("c")) == "b"


def test_forks_in_a_stream(server):
    @superinfer.function
    def program(s):
        forks = s.fork(2)
        forks += "x" + gen("a")
        forks.join()
        s += "".join(s["a"])

    assert "".join(program.run(stream=True, backend=server).text_iter()) == " answer of 1 answer of 1"


def test_several_answers_cannot_be_streamed(server):
    state = superinfer.function(lambda s: s.__iadd__(gen("a", n=2))).run(stream=True, backend=server)
    with pytest.raises(ValueError, match="cannot be streamed"):
        list(state.text_iter())


def test_a_stream_has_a_report(server):
    state = two.run(stream=True, slo="batch", backend=server)
    list(state.text_iter())
    report = state.slo_report()
    assert [call.outcome for call in report.calls] == ["met", "met"]
    assert report.finished
