"""SuperInfer, stock SGLang and vLLM under the same load on this machine: ``python -m benchmark.engine --help``."""
