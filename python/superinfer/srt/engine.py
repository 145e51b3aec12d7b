"""The in-process engine: SGLang's ``Engine`` under SuperInfer."""

from typing import Any

from superinfer import config
from superinfer.models import ensure_default_model
from superinfer.srt import process, support, threads
from superinfer.srt.hooks import Role

if config.active() is None:
    # SGLang chooses its platform while it is imported, so the switch must be on before.
    config.enable(config.Config())
threads.reserve_for_scheduler()
process.load(Role.SERVER)

from sglang.srt.entrypoints.engine import Engine as StockEngine  # noqa: E402


class Engine(StockEngine):
    """``sglang.Engine`` with SLOs: ``sampling_params={"custom_params": {"slo": {"class": "interactive"}}}``.

    Args:
        slo_config: SuperInfer's settings; those of the environment or the defaults if not given.
        kwargs: Arguments of ``sglang.Engine``. Without ``model_path``, the embedded model is served.

    Raises:
        UnsupportedError: A combination of features that SuperInfer does not support.
        HookError: SGLang did not take our hooks.
    """

    init_tokenizer_manager_func = staticmethod(process.init_tokenizer_manager)
    run_scheduler_process_func = staticmethod(process.run_scheduler)
    run_detokenizer_process_func = staticmethod(process.run_detokenizer)

    def __init__(self, *, slo_config: config.Config | None = None, **kwargs: Any) -> None:
        if slo_config is not None:
            config.enable(slo_config)
        settings = slo_config or config.active() or config.Config()
        if "server_args" not in kwargs:
            kwargs.setdefault("model_path", str(kwargs.get("model_path") or ensure_default_model()))
            kwargs["server_args"] = self.server_args_class(**{"log_level": "error", **kwargs})
        support.check(kwargs["server_args"], settings)
        super().__init__(server_args=kwargs["server_args"])
