"""Where an SLO can be given, and which one a call is sent with."""

import pytest

import superinfer
from superinfer import SLO, SLOError, gen
from superinfer.lang import Function
from unit.lang.fake import slo_of

pytestmark = pytest.mark.unit

TARGETS = SLO(cls="batch", ttft_ms=900, tpot_ms=90, min_tps=1, kv="int4", tenant="decorator")


@superinfer.function(slo=TARGETS)
def ask(s, question="?", slo=None, fork_slo=None):
    s += question
    if fork_slo is not None:
        [s] = s.fork(1, slo=fork_slo)
    s += gen("a", max_tokens=4, slo=slo)
    return s["a"]


@superinfer.function
def plain(s):
    s += "hi" + gen("a")


def sent(server):
    [slo] = server.slos
    return slo


def test_without_an_slo_nothing_is_sent(server):
    plain.run(backend=server)
    assert "custom_params" not in server.calls[0]["sampling_params"]


def test_every_level_overrides_the_ones_around_it_field_by_field(server):
    bound = ask.bind(slo={"ttft_ms": 800, "tenant": "bind"})
    state = bound.run(
        slo={"tpot_ms": 70, "tenant": "run"},
        fork_slo={"min_tps": 2, "tenant": "fork"},
        backend=server,
    )
    assert sent(server) == {
        "class": "batch", "ttft_ms": 800, "tpot_ms": 70, "min_tps": 2, "kv": "int4", "tenant": "fork"
    }  # fmt: skip
    assert state.slo_report().calls[0].slo.to_dict() == sent(server)


def test_a_call_has_the_last_word():
    assert superinfer.gen("a", slo="interactive").slo == SLO(cls="interactive")


def test_a_call_overrides_fork_run_bind_and_decorator(server):
    @superinfer.function(slo=TARGETS)
    def program(s):
        [branch] = s.fork(1, slo={"tenant": "fork"})
        branch += "x" + gen("a", slo={"tenant": "gen", "kv": "native"})
        branch.sync()

    program.bind(slo={"tenant": "bind"}).run(slo={"tenant": "run"}, backend=server)
    assert sent(server) == {**TARGETS.to_dict(), "tenant": "gen", "kv": "native"}


@pytest.mark.parametrize("slo", ["interactive", {"class": "interactive"}, SLO(cls="interactive")])
def test_a_class_can_be_named_in_three_ways(server, slo):
    plain.run(slo=slo, backend=server)
    assert sent(server) == {"class": "interactive"}


@pytest.mark.parametrize(
    "word",
    [
        lambda: superinfer.gen("v", slo="batch"),
        lambda: superinfer.gen_int("v", slo="batch"),
        lambda: superinfer.gen_string("v", slo="batch"),
    ],
)
def test_every_kind_of_generation_takes_an_slo(server, word):
    @superinfer.function
    def program(s):
        s += "x" + word()

    program.run(backend=server)
    assert sent(server) == {"class": "batch"}


@pytest.mark.parametrize(
    "word",
    [
        lambda: superinfer.select("v", ["yes", "no"], slo="batch"),
        lambda: superinfer.gen("v", choices=["yes", "no"], slo="batch"),
    ],
)
def test_every_request_of_a_choice_carries_the_slo(server, word):
    server.favourite = "no"

    @superinfer.function
    def program(s):
        s += "x" + word()

    assert program.run(backend=server)["v"] == "no"
    assert [slo_of(payload) for payload in server.payloads] == [{"class": "batch"}] * 2


def test_one_slo_per_branch(server):
    @superinfer.function
    def program(s):
        s += "x"
        forks = s.fork(3, slo=["interactive", None, {"tpot_ms": 40}])
        for fork in forks:
            fork += gen("a")
            fork.sync()

    program.run(backend=server)
    assert server.slos == [{"class": "interactive"}, None, {"tpot_ms": 40}]


def test_a_wrong_number_of_slos_is_refused(server):
    @superinfer.function
    def program(s):
        s.fork(3, slo=["interactive"] * 2)

    with pytest.raises(ValueError, match=r"fork\(3\) needs 3 SLOs, or one for all, not a list of 2"):
        program.run(backend=server)


def test_forks_of_forks_inherit(server):
    @superinfer.function(slo="batch")
    def program(s):
        [outer] = s.fork(1, slo={"tpot_ms": 50})
        [inner] = outer.fork(1, slo={"ttft_ms": 100})
        inner += "x" + gen("a")
        inner.sync()

    program.run(backend=server)
    assert sent(server) == {"class": "batch", "ttft_ms": 100, "tpot_ms": 50}


def test_the_prefill_of_a_fork_is_sent_with_the_programs_slo(server):
    @superinfer.function(slo="batch")
    def program(s):
        s += "x"
        s.fork(2, slo="interactive")

    program.run(backend=server)
    [prefill] = server.payloads
    assert prefill["sampling_params"] == {"max_new_tokens": 0, "custom_params": {"slo": {"class": "batch"}}}


def test_a_copy_takes_an_slo(server):
    @superinfer.function
    def program(s):
        with s.copy(slo="batch") as branch:
            branch += "x" + gen("a")

    assert program.run(backend=server)["a"] == [" answer of 1"]
    assert sent(server) == {"class": "batch"}


def test_run_batch_takes_an_slo(server):
    ask.run_batch([{"question": "a"}, {"question": "b"}], slo={"tenant": "batch"}, backend=server)
    assert server.slos == [{**TARGETS.to_dict(), "tenant": "batch"}] * 2


async def test_arun_takes_an_slo(server):
    await plain.arun(slo="batch", backend=server)
    assert sent(server) == {"class": "batch"}


@pytest.mark.parametrize(
    "give",
    [
        lambda slo: superinfer.function(slo=slo)(lambda s: None),
        lambda slo: plain.bind(slo=slo),
        lambda slo: plain.run(slo=slo, backend=object()),
        lambda slo: plain.run_batch([{}], slo=slo, backend=object()),
        lambda slo: gen("a", slo=slo),
        lambda slo: superinfer.select("a", ["b"], slo=slo),
    ],
)
def test_a_bad_slo_is_an_error_where_it_is_given(give):
    with pytest.raises(SLOError, match="ttft_ms"):
        give({"ttft_ms": -1})


def test_bind_and_the_decorator_keep_the_function_as_it_was():
    bound = Function(lambda s, x, y: None, num_api_spec_tokens=7).bind(x=1).bind(y=2, slo="batch")
    assert bound.num_api_spec_tokens == 7
    assert bound.bind_arguments == {"x": 1, "y": 2}
    assert bound.slo == SLO(cls="batch")


def test_what_was_said_so_far_is_kept(server):
    @superinfer.function
    def waits(s):
        s += "hi" + gen("a", max_tokens=4)
        s.keep(1500)
        s += " bye"

    state = waits.run(backend=server)
    kept = server.payloads[-1]
    assert kept["text"] == state.text().removesuffix(" bye")
    assert kept["sampling_params"] == {"max_new_tokens": 0, "custom_params": {"slo": {"pin_ms": 1500}}}


def test_for_how_long_is_checked(server):
    @superinfer.function
    def waits(s):
        s += "hi"
        s.keep(0)

    with pytest.raises(SLOError, match="pin_ms"):
        waits.run(backend=server).text()


def test_what_comes_after_an_answer_is_said_once_it_was_read(server):
    @superinfer.function
    def agent(s):
        s += "hi" + gen("a", max_tokens=4)
        s.hint(back_ms=800)
        s += " result" + gen("b", max_tokens=4)
        s.hint(ends=True)

    agent.run(backend=server).text()
    assert server.hints == [{"id": "request 1", "back_ms": 800}, {"id": "request 2", "ends": True}]


@pytest.mark.parametrize(
    ("given", "error", "word"),
    [({}, ValueError, "back_ms"), ({"back_ms": 0}, SLOError, "back_ms"), ({"ends": True}, ValueError, "answered")],
)
def test_a_hint_says_something_about_an_answer(server, given, error, word):
    @superinfer.function
    def hasty(s):
        s += "hi"
        s.hint(**given)

    with pytest.raises(error, match=word):
        hasty.run(backend=server).text()
