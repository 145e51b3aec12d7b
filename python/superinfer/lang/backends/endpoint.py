"""A server backend as ``sglang.lang`` knows backends: what a program does becomes requests, SLOs included."""

from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sglang.lang.backend.base_backend import BaseBackend
from sglang.lang.backend.runtime_endpoint import RuntimeEndpoint
from sglang.lang.chat_template import ChatTemplate, get_chat_template, get_chat_template_by_model_path
from sglang.lang.choices import ChoicesDecision, ChoicesSamplingMethod
from sglang.lang.global_config import global_config
from sglang.lang.interpreter import StreamExecutor
from sglang.lang.ir import SglSamplingParams

from superinfer.lang.executor import SLOExecutor
from superinfer.slo import SLO

if TYPE_CHECKING:
    from superinfer.lang.backends.base import Payload, ServerBackend

LOGPROB_FIELDS = ("return_logprob", "logprob_start_len", "top_logprobs_num", "return_text_in_logprobs")


class Endpoint(RuntimeEndpoint):
    """SGLang's endpoint over a ``ServerBackend``: its scoring of choices, our requests.

    Args:
        backend: Where requests go.
    """

    carries_slo = True

    def __init__(self, backend: "ServerBackend") -> None:
        # Not RuntimeEndpoint's: it asks a deprecated address, and joins forks by one that is gone.
        BaseBackend.__init__(self)
        self._backend = backend
        self.chat_template = _chat_template(backend)

    def begin_program(self, s: StreamExecutor) -> None:
        """Refuse a run that would wait for ever.

        Raises:
            RuntimeError: It would block the event loop that has to answer it.
        """
        if not s.stream and self._backend.loop.runs_here():
            raise RuntimeError("run() would block the event loop in which the engine works: await arun() instead")

    def generate(self, s: StreamExecutor, sampling_params: SglSamplingParams) -> tuple[str | list[str], Any]:
        """The text and its ``meta_info``; lists of both for ``n`` > 1."""
        answer = self._send(s, self._payload(s, sampling_params))
        if isinstance(answer, list):
            return [each["text"] for each in answer], [each["meta_info"] for each in answer]
        return answer["text"], answer["meta_info"]

    def generate_stream(
        self, s: StreamExecutor, sampling_params: SglSamplingParams
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Chunks of text, each with the ``meta_info`` so far.

        Raises:
            ValueError: ``n`` > 1: the answers would come in one stream.
        """
        if sampling_params.n > 1:
            raise ValueError("gen(n=...) cannot be streamed: run the program without stream=True")
        chunks = self._backend.stream(self._with_slo(s, self._payload(s, sampling_params)))
        length, meta_info = 0, {}
        try:
            while (chunk := self._await(s, _next(chunks))) is not None:
                text, meta_info = chunk["text"], chunk["meta_info"]
                yield text[length:], meta_info
                length = len(text)
        except BaseException:
            self._backend.loop.submit(_close(chunks))
            raise
        _observe(s, [meta_info])

    def select(
        self, s: StreamExecutor, choices: list[str], temperature: float, choices_method: ChoicesSamplingMethod
    ) -> ChoicesDecision:
        """The likeliest of ``choices``.

        Raises:
            ValueError: ``temperature`` is not 0.
        """
        if temperature > 1e-5:
            raise ValueError(f"choices are scored, not sampled: select needs temperature 0, not {temperature}")
        return super().select(s, choices, temperature, choices_method)

    def commit_lazy_operations(self, s: StreamExecutor) -> None:
        """Have the text so far computed and cached, for the branches of a fork."""
        self._send(s, _prefill(s.text_))

    def keep(self, s: StreamExecutor, slo: SLO) -> None:
        """Have the text so far computed, and kept as ``slo`` says."""
        payload = _prefill(s.text_)
        params = {**payload["sampling_params"], "custom_params": {"slo": slo.to_dict()}}
        self._await(s, self._backend.generate({**payload, "sampling_params": params}))

    def hint(self, s: StreamExecutor, request_id: str, slo: SLO) -> None:
        """Say what comes after an answer."""
        self._await(s, self._backend.hint(request_id, slo.to_dict()))

    def fill_image(self, s: StreamExecutor) -> None:
        """The same, for a text with an image."""
        self._send(s, _prefill(s.text_))

    def cache_prefix(self, prefix_str: str) -> None:
        """Have ``prefix_str`` computed and cached."""
        self._backend.loop.run(self._backend.generate(_prefill(prefix_str)))

    def get_model_name(self) -> str:
        """Path or name of the model."""
        return self._backend.model_path

    def flush_cache(self) -> Any:
        """Empty the server's prefix cache."""
        return self._backend.flush_cache()

    def get_server_info(self) -> dict[str, Any]:
        """The server's settings and state."""
        return self._backend.get_server_info()

    def start_profile(self) -> None:
        """Start the server's profiler."""
        self._backend.start_profile()

    def stop_profile(self) -> None:
        """Stop the server's profiler."""
        self._backend.stop_profile()

    def shutdown(self) -> None:
        """Release the backend; the server goes on."""
        self._backend.close()

    # The requests of RuntimeEndpoint.select
    def _generate_http_request(self, s: StreamExecutor, data: "Payload") -> Any:
        return self._send(s, data)

    def _payload(self, s: StreamExecutor, sampling_params: SglSamplingParams) -> "Payload":
        self._handle_dtype_to_regex(sampling_params)
        output = {
            "skip_special_tokens": global_config.skip_special_tokens_in_output,
            "spaces_between_special_tokens": global_config.spaces_between_special_tokens_in_out,
        }
        logprobs = {name: getattr(sampling_params, name) for name in LOGPROB_FIELDS}
        return {
            "text": s.text_,
            "sampling_params": {**output, **sampling_params.to_srt_kwargs()},
            **{name: value for name, value in logprobs.items() if value is not None},
        }

    def _with_slo(self, s: StreamExecutor, payload: "Payload") -> "Payload":
        slo = s.promise().to_dict() if isinstance(s, SLOExecutor) else {}
        params = payload["sampling_params"]
        images = [data for _, data in s.images_]
        return {
            **payload,
            **({"image_data": images} if images else {}),
            "sampling_params": {**params, "custom_params": {"slo": slo}} if slo else params,
        }

    def _send(self, s: StreamExecutor, payload: "Payload") -> Any:
        answer = self._await(s, self._backend.generate(self._with_slo(s, payload)))
        _observe(s, [each["meta_info"] for each in (answer if isinstance(answer, list) else [answer])])
        return answer

    def _await(self, s: StreamExecutor, work: Coroutine[Any, Any, Any]) -> Any:
        future = self._backend.loop.submit(work)
        return s.wait(future) if isinstance(s, SLOExecutor) else future.result()


def _prefill(text: str) -> "Payload":
    return {"text": text, "sampling_params": {"max_new_tokens": 0}}


def _observe(s: StreamExecutor, meta_infos: Sequence[Mapping[str, Any]]) -> None:
    if isinstance(s, SLOExecutor):
        s.observe(meta_infos)


async def _next(chunks: AsyncIterator[dict[str, Any]]) -> dict[str, Any] | None:
    return await anext(chunks, None)


async def _close(chunks: Any) -> None:
    await chunks.aclose()


def _chat_template(backend: "ServerBackend") -> ChatTemplate:
    if backend.chat_template is not None:
        return get_chat_template(backend.chat_template)
    if "smollm" in backend.model_path.lower():
        return get_chat_template("chatml")
    return get_chat_template_by_model_path(backend.model_path)
