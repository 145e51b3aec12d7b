import re
from itertools import pairwise

import pytest

from superinfer.metrics import METRICS, PREFIX

pytestmark = pytest.mark.unit

UNITS = {"bytes", "pages", "ratio", "requests", "rotations", "seconds", "tokens"}


def test_names_are_unique():
    assert len({metric.name for metric in METRICS}) == len(METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
class TestMetric:
    def test_name_is_prefixed_and_valid(self, metric):
        assert metric.full_name == PREFIX + metric.name
        assert re.fullmatch(r"superinfer:[a-z][a-z0-9_]*[a-z0-9]", metric.full_name)

    def test_name_ends_in_its_unit_and_counters_in_total(self, metric):
        assert metric.kind in {"counter", "histogram", "gauge"}
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.name.removesuffix("_total").rpartition("_")[2] in UNITS

    def test_histograms_and_only_they_have_rising_buckets(self, metric):
        assert bool(metric.buckets) == (metric.kind == "histogram")
        assert all(low < high for low, high in pairwise(metric.buckets))

    def test_help_is_a_sentence(self, metric):
        assert metric.help[0].isupper()
        assert metric.help.endswith(".")

    def test_labels_are_valid(self, metric):
        assert all(re.fullmatch(r"[a-z][a-z_]*", label) for label in metric.labels)
        assert len(set(metric.labels)) == len(metric.labels)
