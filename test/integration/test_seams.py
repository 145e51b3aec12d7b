"""The list of SGLang symbols is true, and complete."""

import ast
import inspect
from pathlib import Path
from pkgutil import resolve_name

import pytest
from sglang.version import __version__ as sglang_version

import superinfer.srt
from superinfer.srt import SGLANG_VERSION
from superinfer.srt.hooks import hooks
from superinfer.srt.seam_reads import READS
from superinfer.srt.seams import SEAMS

pytestmark = pytest.mark.integration

PACKAGE = Path(superinfer.srt.__file__).parents[1]
STAR = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def test_the_installed_version_is_the_one_written_for():
    assert sglang_version == SGLANG_VERSION


def stock(path):
    """SGLang's own symbol, also where the hooks of this process have put a subclass of ours in its place."""
    owner, _, name = path.rpartition(".")
    found = resolve_name(owner)
    if isinstance(found, type):
        found = next(cls for cls in found.__mro__ if cls.__module__.startswith("sglang"))
    return getattr(found, name)


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: seam.path)
def test_seam_exists_with_the_expected_parameters(seam):
    symbol = stock(seam.path)
    if seam.parameters is not None:
        parameters = inspect.signature(symbol).parameters.values()
        assert " ".join(STAR.get(p.kind, "") + p.name for p in parameters) == seam.parameters


@pytest.mark.parametrize("reads", READS, ids=lambda reads: reads.path)
def test_attributes_exist(reads):
    owner = resolve_name(reads.path)
    source = "".join(inspect.getsource(cls) for cls in owner.__mro__ if cls.__module__.startswith("sglang"))
    assigned = {
        node.attr if isinstance(node, ast.Attribute) else node.target.id
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store))
        or (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name))
    }
    missing = [name for name in reads.names.split() if name not in assigned and not hasattr(owner, name)]
    assert not missing


def imports():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sglang"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sorted(set(imports())))
def test_every_import_is_listed(path):
    assert any(seam.path == path or seam.path.startswith(path + ".") for seam in SEAMS)


SUBCLASSES = [
    "superinfer.srt.attention.CpuAttentionBackend",
    "superinfer.srt.cache.radix_cache.LearnedRadixCache",
    "superinfer.srt.cache.tree_core.LearnedFullComponent",
    "superinfer.srt.cache.tree_core.LearnedTreeCore",
    "superinfer.srt.linear.PackedLinearMethod",
    "superinfer.srt.linear.PackedTableMethod",
    *(hook.replacement for hook in hooks()),
    "superinfer.srt.kv.allocator.MixedAllocator",
    "superinfer.srt.kv.budget.MixedPrefillBudget",
    "superinfer.srt.kv.host_controller.MixedCacheController",
    "superinfer.srt.kv.host_pool.MixedKVPoolHost",
    "superinfer.srt.kv.pool.MixedKVPool",
    "superinfer.srt.kv.sizes.MixedPoolConfigurator",
    "superinfer.srt.planned_prefill.PlannedAdder",
    "superinfer.srt.planned_prefill.PlannedSchedulePolicy",
    "superinfer.srt.recovering_scheduler.RecoveringScheduler",
    "superinfer.srt.scheduler.SLOScheduler",
    "superinfer.srt.cpu.PortableCpuPlatform",
    "superinfer.srt.host.link.LinkedLayers",
    "superinfer.srt.host.link.LinkedTransfers",
    "superinfer.srt.host.pool.CpuKVPoolHost",
    "superinfer.srt.host.strategy.CpuStackStrategy",
    "superinfer.srt.internal_state.SLOInternalState",
    "superinfer.srt.streamer.SLOOutputStreamer",
]


@pytest.mark.parametrize("path", SUBCLASSES)
def test_every_override_is_listed(path):
    ours = resolve_name(path)
    base = next(cls for cls in ours.__mro__[1:] if cls.__module__.startswith("sglang"))
    overridden = {
        name
        for name, value in vars(ours).items()
        if hasattr(base, name) and (inspect.isfunction(value) or isinstance(value, staticmethod))
    } - set(vars(object)) | {"__init__"} & set(vars(ours))
    generated = {"__init__"} if "__dataclass_fields__" in vars(ours) else set()
    listed = {seam.path.rsplit(".", 1)[1] for seam in SEAMS if seam.path.rsplit(".", 1)[0].endswith(base.__name__)}
    assert overridden - generated <= listed
