"""What programs of ``sglang.lang`` can do, on our executor."""

import dataclasses

import pytest
from sglang.lang.choices import greedy_token_selection, unconditional_likelihood_normalized
from sglang.lang.ir import SglSamplingParams

import superinfer
from superinfer import assistant, gen, select, system, user
from superinfer.lang import BackendError, Function
from superinfer.lang.job import SAMPLING

pytestmark = pytest.mark.unit


@superinfer.function
def chat(s, question):
    """Ask and note."""
    s += system("Be brief.")
    s += user(question)
    s += assistant(gen("answer", max_tokens=8))
    return s["answer"].strip()


@superinfer.function
def one(s, prompt="x", **options):
    s += prompt + gen("a", **options)


def params(server, index=0):
    return server.calls[index]["sampling_params"]


def test_a_program_has_text_messages_variables_meta_info_and_a_value(server):
    state = chat.run("Why?", backend=server)
    prompt = "SYSTEM:Be brief.\nUSER:Why?\nASSISTANT:"
    answer = f" answer of {len(prompt)}"
    assert state.text() == f"{prompt}{answer}\n"
    assert state.messages()[-1] == {"role": "assistant", "content": answer.strip()}
    assert state["answer"] == answer
    assert state.ret_value == answer.strip()
    assert state.get_meta_info("answer")["prompt_tokens"] == len(prompt)
    assert "answer" in state
    assert "other" not in state
    assert repr(state) == f"State(finished, {state.text()!r})"


def test_a_function_keeps_its_documentation():
    assert chat.__doc__ == "Ask and note."
    assert chat.__wrapped__ is chat.func


def test_sampling_parameters_of_calls_override_those_of_the_run(server):
    one.run(temperature=0.5, top_k=3, stop="!", backend=server)
    Function(lambda s: s.__iadd__(gen("a", 7, temperature=0.1))).run(temperature=0.5, top_k=3, backend=server)
    first, second = params(server, 0), params(server, 1)
    assert (first["temperature"], first["top_k"], first["stop"], first["max_new_tokens"]) == (0.5, 3, ["!"], 128)
    assert (second["temperature"], second["top_k"], second["max_new_tokens"]) == (0.1, 3, 7)


def test_sampling_parameters_are_those_of_sglang():
    assert {field.name for field in dataclasses.fields(SglSamplingParams)} == SAMPLING


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"regex": "[0-9]+"}, {"regex": "[0-9]+"}),
        ({"json_schema": '{"type": "object"}'}, {"json_schema": '{"type": "object"}'}),
        ({"dtype": int}, {"regex": r"[-+]?[0-9]+[ \n]*", "stop": [" ", "\n"]}),
        ({"dtype": "float", "stop": "!"}, {"regex": r"[-+]?[0-9]*\.?[0-9]+[ \n]*", "stop": ["!", " ", "\n"]}),
        ({"dtype": bool}, {"regex": "(True|False)"}),
        ({"stop": ("a", "b"), "dtype": int}, {"stop": ["a", "b", " ", "\n"]}),
    ],
)
def test_constraints_reach_the_server(server, options, expected):
    Function(lambda s: s.__iadd__(gen("a", **options))).run(backend=server)
    assert {name: params(server)[name] for name in expected} == expected


def test_constraints_of_a_run_hold_for_its_calls_and_forks(server):
    def body(s):
        branch = s.fork(1)[0]
        branch += "x" + gen("a")
        branch.sync()

    Function(body).run(regex="[ab]", backend=server)
    assert params(server)["regex"] == "[ab]"


def test_gen_int_and_gen_string(server):
    @superinfer.function
    def program(s):
        s += superinfer.gen_int("i") + superinfer.gen_string("s")

    program.run(backend=server)
    assert params(server, 0)["regex"].startswith("[-+]?")
    assert params(server, 1)["regex"].startswith('\\"')


def test_the_programs_own_stop_list_does_not_grow(server):
    stop = ["!"]
    body = Function(lambda s: s.__iadd__(gen("a", stop=stop, dtype=int)))
    for _ in range(2):
        body.run(backend=server)
    assert stop == ["!"]
    assert params(server, 0)["stop"] == params(server, 1)["stop"]


def test_several_answers_to_one_prompt(server):
    state = Function(lambda s: s.__iadd__("x" + gen("a", n=2))).run(backend=server)
    assert state["a"] == [" answer of 10", " answer of 11"]
    assert state.text() == "x answer of 10"
    assert len(state.get_meta_info("a")) == 2


def test_log_probabilities_can_be_asked_for(server):
    one_with = Function(lambda s: s.__iadd__(gen("a", return_logprob=True, top_logprobs_num=2)))
    one_with.run(backend=server)
    assert (server.calls[0]["return_logprob"], server.calls[0]["top_logprobs_num"]) == (True, 2)


@pytest.mark.parametrize("method", [None, greedy_token_selection, unconditional_likelihood_normalized])
def test_choices(server, method):
    server.favourite = "blue"

    @superinfer.function
    def program(s):
        s += "The sky is " + select("colour", ["red", "blue"], choices_method=method) + "."

    state = program.run(backend=server)
    assert state["colour"] == "blue"
    assert state.text() == "The sky is blue."


def test_choices_are_not_sampled(server):
    with pytest.raises(ValueError, match=r"select needs temperature 0, not 0\.7"):
        Function(lambda s: s.__iadd__(select("a", ["x", "y"], temperature=0.7))).run(backend=server)


def test_a_select_without_choices_is_refused():
    with pytest.raises(ValueError, match="needs choices"):
        select("a", [])


def test_variable_scopes(server):
    @superinfer.function
    def program(s):
        with s.var_scope("both"):
            s += "x" + gen("a")

    assert program.run(backend=server)["both"] == "x answer of 1"


@pytest.mark.parametrize("use_thread", [True, False])
def test_a_state_can_be_asked_while_the_program_runs(server, use_thread):
    @superinfer.function
    def program(s):
        s += gen("a")
        s["mine"] = len(s["a"])
        s += f"{s['mine']}"
        return s.text()

    assert program.run(backend=server, use_thread=use_thread).ret_value == " answer of 012"


def test_images_are_sent_one_as_one_and_several_in_order(server, tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        path.write_bytes(path.name.encode())

    @superinfer.function
    def program(s, paths):
        s += user("look" + sum_of(superinfer.image(str(path)) for path in paths))
        s += assistant(gen("a"))

    program.run(paths, backend=server)
    program.run(paths[:1], backend=server)
    assert [payload["image_data"] for payload in server.calls] == [["YS5wbmc=", "Yi5wbmc="], ["YS5wbmc="]]


def sum_of(expressions):
    first, *rest = expressions
    for expression in rest:
        first = first + expression
    return first


def test_arguments_bound_given_and_defaulted(server):
    program = Function(lambda s, a, b=2, c=3: (a, b, c))
    bound = program.bind(b=20)
    assert program.run(1, backend=server).ret_value == (1, 2, 3)
    assert bound.run(1, backend=server).ret_value == (1, 20, 3)
    assert bound.run(1, b=5, backend=server).ret_value == (1, 5, 3)
    assert bound.run(1, 6, backend=server).ret_value == (1, 6, 3)
    assert program.run(1, backend=server).ret_value == (1, 2, 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda server: chat.bind(answer="?"),
        lambda server: chat.run(backend=server),
        lambda server: chat.run("?", wrong=1, backend=server),
        lambda server: chat.run_batch([{"wrong": 1}], backend=server),
        lambda server: chat.run_batch([("a", "b")], backend=server),
        lambda server: chat.run_batch(["a"], backend=server),
        lambda server: chat.run_batch([("a",)], stream=True, backend=server),
        lambda server: Function(lambda: None),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_anything_runs(server, call):
    with pytest.raises(TypeError):
        call(server)
    assert server.payloads == []


def test_the_default_backend_is_used_and_none_is_an_error(server):
    with pytest.raises(RuntimeError, match="no backend"):
        chat.run("?")
    superinfer.set_default_backend(server)
    chat("?")
    assert superinfer.flush_cache() is True
    assert superinfer.get_server_info() == {"fake": True}
    assert len(server.calls) == server.flushed == 1


def test_sglangs_default_backend_counts_too(server, monkeypatch):
    from sglang.lang.global_config import global_config

    monkeypatch.setattr(global_config, "default_backend", server)
    chat.run("?")
    assert len(server.calls) == 1


def test_without_a_backend_there_is_nothing_to_flush():
    assert superinfer.flush_cache() is False
    assert superinfer.get_server_info() is None


def test_stock_sglang_programs_run_on_our_backends(server):
    import sglang

    @sglang.function
    def program(s):
        s += "x" + sglang.gen("a") + sglang.gen("b", choices=["p", "q"])

    server.favourite = "q"
    state = program.run(backend=server)
    assert (state["a"], state["b"]) == (" answer of 1", "q")


def test_profiling_is_passed_on(server):
    server.endpoint.start_profile()
    server.endpoint.stop_profile()
    assert server.payloads == [{"profile": True}, {"profile": False}]


def test_the_embedded_model_gets_its_own_chat_template(server, monkeypatch):
    monkeypatch.setattr(type(server), "model_path", "/somewhere/SmolLM2-135M-Instruct")
    assert server.endpoint.get_model_name() == "/somewhere/SmolLM2-135M-Instruct"
    assert server.endpoint.get_chat_template().name == "chatml"


def test_a_chat_template_can_be_named(server):
    server.chat_template = "llama-3-instruct"
    assert server.endpoint.get_chat_template().name == "llama-3-instruct"


def test_the_servers_refusal_is_raised(server):
    def refuse(payload):
        raise BackendError("/generate answered 400: slo.ttft_ms: too short", 400)

    server.answer = refuse
    with pytest.raises(BackendError, match=r"slo\.ttft_ms: too short"):
        chat.run("?", backend=server)
