"""Where the kernels' C++ sources are, and how each of them is compiled."""

import platform
from dataclasses import dataclass
from pathlib import Path

from superinfer.kernels.errors import KernelsUnavailable

COMMON_FLAGS = ("-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden")
ISA_FLAGS = {
    "portable": (),
    "avx2": ("-mavx2", "-mfma", "-mf16c"),
    "avx512": ("-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq"),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """One translation unit.

    Attributes:
        source: The C++ file.
        name: Of the object file, without suffix.
        flags: What it needs besides ``COMMON_FLAGS``.
    """

    source: Path
    name: str
    flags: tuple[str, ...]


def kernels_dir() -> Path:
    """The directory with ``include`` and ``csrc``: inside the installed package, or beside it in a checkout.

    Raises:
        KernelsUnavailable: It is in neither place.
    """
    package = Path(__file__).resolve().parents[1]
    places = (package / "_kernels", package.parents[1] / "kernels")
    for place in places:
        if (place / "csrc").is_dir():
            return place
    raise KernelsUnavailable(f"the kernels' sources are missing: looked for {places[0]} and {places[1]}")


def isa_names() -> tuple[str, ...]:
    """Instruction sets the kernels are compiled for on this kind of machine."""
    return tuple(ISA_FLAGS) if platform.machine() in ("x86_64", "AMD64") else ("portable",)


def units(root: Path) -> list[Unit]:
    """All translation units; the slowest to compile come first."""
    csrc = root / "csrc"
    isa = [
        Unit(
            csrc / "isa.cc",
            f"isa_{name}",
            ("-fopenmp", "-fno-exceptions", f"-DSUPERINFER_ISA={name}", *ISA_FLAGS[name]),
        )
        for name in isa_names()
    ]
    # A product and a sum made one would round differently, and only where there is an instruction for it.
    exact = ("-fopenmp", "-fno-exceptions", "-ffp-contract=off")
    seal = [
        Unit(csrc / "seal.cc", f"seal_{name}", (*exact, f"-DSUPERINFER_ISA={name}", *ISA_FLAGS[name]))
        for name in isa_names()
    ]
    if "avx512" in isa_names():
        # A table of its own, of which only the products are compiled anew.
        isa.append(
            Unit(csrc / "amx.cc", "amx", ("-fopenmp", "-fno-exceptions", "-DSUPERINFER_ISA=amx", *ISA_FLAGS["avx512"]))
        )
    plain = ("bind_attention", "bind_elements", "bind_layers", "bind_linear", "bind_mixed", "dispatch")
    return isa + seal + [Unit(csrc / f"{name}.cc", name, ()) for name in plain]


def all_files(root: Path) -> list[Path]:
    """Every file that the library is made of, in a fixed order."""
    return sorted(path for part in ("include", "csrc") for path in (root / part).rglob("*") if path.is_file())
