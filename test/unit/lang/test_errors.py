"""No error in a program is lost, and none makes a program hang."""

import pytest

import superinfer
from superinfer import gen
from superinfer.lang import BackendError, Function

pytestmark = [pytest.mark.unit, pytest.mark.timeout(30)]


class Boom(Exception):
    pass


@pytest.fixture
def broken(server):
    """Answers prompts that end in ``!`` with an error."""

    def answer(payload):
        if payload["text"].endswith("!"):
            raise Boom("no")
        return " fine"

    server.answer = answer
    return server


@pytest.fixture(params=[True, False], ids=["thread", "no thread"])
def use_thread(request):
    return request.param


def fails_late(s):
    s += "one" + gen("a")
    s += "!" + gen("b")


def test_an_error_in_a_call_is_raised_by_run(broken, use_thread):
    with pytest.raises(Boom):
        Function(fails_late).run(backend=broken, use_thread=use_thread)


def test_an_error_in_the_programs_own_code_is_raised_by_run(broken, use_thread):
    def body(s):
        s += gen("a")
        raise Boom("mine")

    with pytest.raises(Boom, match="mine"):
        Function(body).run(backend=broken, use_thread=use_thread)


def test_what_was_complete_stays_readable_and_the_rest_raises(broken, use_thread):
    def body(s):
        s += "one" + gen("a")
        s["a"]
        try:
            s += "!" + gen("b")
            s["b"]
        except Boom:
            assert s["a"] == " fine"
            assert isinstance(s.error(), Boom)
            for read in (lambda: s["b"], lambda: s.get_meta_info("b"), s.text, s.messages, s.sync):
                with pytest.raises(Boom):
                    read()
            return "caught"

    assert Function(body).run(backend=broken, use_thread=use_thread).ret_value == "caught"


def test_appending_after_an_error_raises_and_does_not_hang(broken, use_thread):
    reached = []

    def body(s):
        s += "!" + gen("a")
        for i in range(1000):
            s += gen(f"b{i}")
            s[f"b{i}"]
            reached.append(i)

    with pytest.raises(Boom):
        Function(body).run(backend=broken, use_thread=use_thread)
    assert reached == []


def test_an_error_in_a_fork_is_raised_by_join(broken):
    def body(s):
        forks = s.fork(2)
        forks += lambda i: "!" if i else "?"
        forks += gen("a")
        with pytest.raises(Boom):
            forks.join()
        return forks[0]["a"]

    assert Function(body).run(backend=broken).ret_value == " fine"


def test_an_error_in_a_fork_that_is_joined_by_text_is_raised(broken):
    def body(s):
        forks = s.fork(1)
        forks += "!" + gen("a")
        forks.join("concate_and_append")

    with pytest.raises(Boom):
        Function(body).run(backend=broken)


def test_an_error_in_a_fork_that_nobody_asks_about_is_raised_at_the_end(broken):
    def body(s):
        forks = s.fork(1)
        forks += "!" + gen("a")

    with pytest.raises(Boom):
        Function(body).run(backend=broken)


def test_an_error_that_the_program_asked_for_is_handled(broken):
    def body(s):
        forks = s.fork(1)
        forks += "!" + gen("a")
        return str(forks[0].error())

    assert Function(body).run(backend=broken).ret_value == "no"


def test_an_unknown_variable_is_a_key_error(broken):
    with pytest.raises(KeyError, match="nothing"):
        Function(lambda s: s["nothing"]).run(backend=broken)


def test_a_finished_program_takes_nothing_more(server):
    state = Function(lambda s: s.__iadd__("x")).run(backend=server)
    with pytest.raises(RuntimeError, match="has ended"):
        state += "y"
    with pytest.raises(RuntimeError, match="has ended"):
        state.fork(2)
    assert state.text() == "x"


def test_none_cannot_be_appended(server):
    with pytest.raises(ValueError, match="None"):
        Function(lambda s: s.__iadd__(None)).run(backend=server)


def test_a_batch_raises_the_first_error_and_cancels_the_rest(broken):
    @superinfer.function
    def program(s, prompt):
        s += prompt + gen("a")

    with pytest.raises(Boom):
        program.run_batch([("!",)] + [("x",)] * 50, num_threads=1, backend=broken)
    assert len(broken.calls) < 10


def test_a_backend_without_a_chat_template_fails_in_run():
    with pytest.raises(AttributeError):
        Function(fails_late).run(backend=object())


def test_the_report_names_the_error(broken):
    reports = []

    def body(s):
        s += "!" + gen("a")
        s.error()
        reports.append(s.slo_report())

    Function(body).run(backend=broken)
    [call] = reports[0].calls
    assert isinstance(call.error, Boom)
    assert "Boom" in str(reports[0])


def test_sglang_errors_are_raised_too(server):
    with pytest.raises(BaseException, match="Nested roles"):
        Function(lambda s: s.__iadd__(superinfer.user(superinfer.user("x")))).run(backend=server)


def test_backend_errors_have_a_status():
    assert BackendError("no", 503).status == 503
