"""SGLang's backend for the API of OpenAI, for any model behind it."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import openai
import tiktoken
from sglang.lang.backend.base_backend import BaseBackend
from sglang.lang.backend.openai import OpenAI, TokenUsage, create_logit_bias_int
from sglang.lang.chat_template import get_chat_template, get_chat_template_by_model_path

if TYPE_CHECKING:
    from superinfer.lang.backends.openai import OpenAIBackend


class OpenAIEndpoint(OpenAI):
    """SGLang's ``OpenAI``, which fetches a tokenizer of OpenAI's when it is made, only when it is needed.

    That is for ``select`` and ``gen_int`` with completions of OpenAI's own models. Elsewhere it would be another
    model's tokenizer, and a download that fails where there is no internet.

    Args:
        backend: What was asked for.
    """

    def __init__(self, backend: "OpenAIBackend") -> None:
        BaseBackend.__init__(self)
        self.client = openai.OpenAI(**backend.client_options)
        self.model_name = backend.model_name
        self.is_chat_model = backend.is_chat_model
        name = backend.chat_template
        self.chat_template = get_chat_template(name) if name else get_chat_template_by_model_path(self.model_name)
        self.chat_prefix = self.chat_template.role_prefix_and_suffix["assistant"][0]
        self.token_usage = TokenUsage(0, 0)
        self.spec_kwargs: dict[str, Any] = {}
        self.spec_format: list[dict[str, Any]] = []
        self.spec_max_num_tries = 3

    @cached_property
    def tokenizer(self) -> Any:
        """Of the model, if it is one of OpenAI's."""
        try:
            return tiktoken.encoding_for_model(self.model_name)
        except KeyError:
            return tiktoken.get_encoding("cl100k_base")

    @cached_property
    def logit_bias_int(self) -> dict[int, int]:
        """What makes a model write integers."""
        bias: dict[int, int] = create_logit_bias_int(self.tokenizer)
        return bias
