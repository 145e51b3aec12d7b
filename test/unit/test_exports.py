import ast
import importlib
import inspect
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

import superinfer

pytestmark = pytest.mark.unit

HEAVY_HOMES = {"superinfer.srt.engine"}
PACKAGES = ["superinfer.slo", "superinfer.sched"]


def defined_names(module):
    """Classes and functions that ``module`` defines, read without importing it."""
    tree = ast.parse(Path(find_spec(module).origin).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def test_every_export_exists_where_the_table_says():
    for home, names in superinfer._EXPORTS.items():
        for name in names:
            if home in HEAVY_HOMES:
                assert name in defined_names(home)
            else:
                assert getattr(superinfer, name) is getattr(importlib.import_module(home), name)


def test_the_table_is_the_public_interface():
    assert set(superinfer.__all__) == {"__version__", *(n for names in superinfer._EXPORTS.values() for n in names)}
    assert dir(superinfer) == sorted(superinfer.__all__)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="module 'superinfer' has no attribute 'Slo'"):
        superinfer.Slo  # noqa: B018


def test_the_version_is_that_of_the_distribution():
    assert superinfer.__version__ == version("superinfer")


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_export_what_they_list(package):
    module = importlib.import_module(package)
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_list_what_they_import(package):
    module = importlib.import_module(package)
    public = {name for name, value in vars(module).items() if inspect.isclass(value) or inspect.isfunction(value)}
    assert {name for name in public if not name.startswith("_")} <= set(module.__all__)
