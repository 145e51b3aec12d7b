"""Any server that speaks the API of OpenAI."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from superinfer.lang.backends.openai_endpoint import OpenAIEndpoint


class OpenAIBackend:
    """A server behind the API of OpenAI: SGLang's backend for it, without a need for OpenAI's own tokenizers.

    SLOs are not sent: that API has no place for them. The first call that has one gives one SLOIgnoredWarning. The
    program's deadline is kept here: ``on_late`` works as everywhere.

    Args:
        model_name: The model to ask for.
        is_chat_model: Whether to use chat completions; completions otherwise.
        chat_template: Name of one of SGLang's chat templates, which tell where the assistant's turn begins.
        client: Arguments of ``openai.OpenAI``: ``base_url``, ``api_key``, ``timeout``...
    """

    def __init__(
        self, model_name: str, *, is_chat_model: bool = True, chat_template: str | None = None, **client: Any
    ) -> None:
        self.model_name = model_name
        self.is_chat_model = is_chat_model
        self.chat_template = chat_template
        self.client_options = client

    @cached_property
    def endpoint(self) -> "OpenAIEndpoint":
        """The backend as ``sglang.lang`` knows it."""
        from superinfer.lang.backends.openai_endpoint import OpenAIEndpoint

        return OpenAIEndpoint(self)
