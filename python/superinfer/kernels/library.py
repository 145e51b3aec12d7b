"""The loaded kernel library, and the instruction set it uses."""

import functools
import os

import tvm_ffi

from superinfer.kernels.build import library_path
from superinfer.kernels.errors import KernelsUnavailable
from superinfer.kernels.openmp import share_runtime

ISA_VARIABLE = "SUPERINFER_ISA"


class Library:
    """The kernels as functions of tensors.

    Args:
        module: The loaded shared library.
    """

    def __init__(self, module: tvm_ffi.Module) -> None:
        self.decode_attention = module.get_function("decode_attention")
        self.extend_attention = module.get_function("extend_attention")
        self.kv_store = module.get_function("kv_store")
        self.rms_norm = module.get_function("rms_norm")
        self.fused_add_rms_norm = module.get_function("fused_add_rms_norm")
        self.rope = module.get_function("rope")
        self.silu_and_mul = module.get_function("silu_and_mul")
        self.argmax = module.get_function("argmax")
        self.decoder_layers = module.get_function("decoder_layers")
        self.packed_linear = module.get_function("packed_linear")
        self.unpack_rows = module.get_function("unpack_rows")
        self.mixed_decode_attention = module.get_function("mixed_decode_attention")
        self.mixed_extend_attention = module.get_function("mixed_extend_attention")
        self.seal_pages = module.get_function("seal_pages")
        self.isas = module.get_function("isas")
        self.isa = module.get_function("isa")
        self.choose_isa = module.get_function("choose_isa")


@functools.cache
def _load() -> Library | KernelsUnavailable:
    """The library, or why there is none: neither changes while the process lives."""
    try:
        path = library_path()
        share_runtime()
        library = Library(tvm_ffi.load_module(str(path)))
        if wanted := os.environ.get(ISA_VARIABLE):
            _choose(library, wanted)
    except KernelsUnavailable as error:
        return error
    except (OSError, RuntimeError) as error:
        return KernelsUnavailable(f"the compiled kernels cannot be loaded: {error}")
    return library


def library() -> Library:
    """The kernels; compiles them if need be.

    Raises:
        KernelsUnavailable: They cannot be compiled or loaded here.
    """
    loaded = _load()
    if isinstance(loaded, KernelsUnavailable):
        raise loaded
    return loaded


def available() -> bool:
    """Whether the kernels can be used; compiles them if need be."""
    return unavailable_reason() is None


def unavailable_reason() -> str | None:
    """Why the kernels cannot be used, or ``None`` if they can."""
    loaded = _load()
    return str(loaded) if isinstance(loaded, KernelsUnavailable) else None


def supported_isas() -> tuple[str, ...]:
    """Instruction sets that this CPU and the library support, widest first."""
    return tuple(str(library().isas()).split(","))


def current_isa() -> str:
    """The instruction set in use."""
    return str(library().isa())


def use_isa(name: str) -> None:
    """Use this instruction set from now on.

    Raises:
        ValueError: This CPU does not support it.
    """
    _choose(library(), name)


def _choose(library: Library, name: str) -> None:
    if not library.choose_isa(name):
        raise ValueError(f"instruction set {name!r}: this CPU supports {library.isas()}")
