"""What is measured of the machine is plausible, and the best of all measurements counts."""

import pytest
from benchmark.engine.limits import Limits, best, measure_limits

pytestmark = pytest.mark.unit


def test_the_best_of_each_limit_counts():
    assert best([Limits(1.0, 60.0, 0.5, 7.0), Limits(4.0, 20.0, 1.0, 9.0)]) == Limits(4.0, 60.0, 1.0, 9.0)


@pytest.mark.parametrize(("products", "found"), [(3, 30.0), (4, 22.5), (5, 20.0), (0, 20.0)])
def test_a_product_in_parts_counts_where_it_is_faster(products, found):
    assert Limits(1.0, 20.0, 1.0, 90.0).by_products(products).fp32_flop_per_s == found


def test_a_machine_that_runs_this_reads_and_multiplies_at_some_rate():
    limits = measure_limits(threads=1)
    assert 1e8 < limits.read_bytes_per_s < 1e13
    assert 1e8 < limits.fp32_flop_per_s < 1e15
    assert 1e7 < limits.bf16_flop_per_s < 1e16
    assert 0 <= limits.huge_pages <= 1
