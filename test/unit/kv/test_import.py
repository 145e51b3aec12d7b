import pytest

from unit.test_import_cost import THIRD_PARTY, loaded_by

pytestmark = pytest.mark.unit


def test_the_pure_part_loads_nothing_heavy():
    assert not loaded_by("import superinfer.kv") & THIRD_PARTY
