import pytest
from hypothesis import given

from superinfer.slo import PRESETS, SLO, SLOClasses, SLOError
from unit.strategies import PRESET_NAMES, slos

pytestmark = pytest.mark.unit


def test_presets_are_ranked_by_importance():
    assert [item.name for item in sorted(PRESETS, key=lambda item: item.rank)] == ["interactive", "standard", "batch"]


def test_presets_promise_what_the_documentation_says():
    classes = SLOClasses()
    assert classes["interactive"].targets == SLO(cls="interactive", ttft_ms=1000, tpot_ms=100, kv="native")
    assert not classes["standard"].targets.has_target
    assert not classes["batch"].targets.has_target
    assert classes["batch"].targets.kv == "int4"


def test_a_request_without_class_gets_the_default():
    assert SLOClasses().resolve(SLO()).cls == "standard"
    assert SLOClasses(default="batch").resolve(SLO()).cls == "batch"


def test_explicit_targets_win_over_the_class():
    resolved = SLOClasses().resolve(SLO(cls="interactive", tpot_ms=20))
    assert (resolved.ttft_ms, resolved.tpot_ms) == (1000, 20)


@given(slos(classes=PRESET_NAMES))
def test_resolving_names_a_class_keeps_targets_and_is_idempotent(slo):
    classes = SLOClasses()
    resolved = classes.resolve(slo)
    assert resolved.cls == (slo.cls or "standard")
    assert slo.to_dict().items() <= resolved.to_dict().items()
    assert classes.resolve(resolved) == resolved


def test_unknown_class_is_an_error_that_lists_the_known():
    with pytest.raises(SLOError, match=r"'gold' is not a class of this server.*interactive, standard, batch") as caught:
        SLOClasses().resolve(SLO(cls="gold"), "custom_params.slo")
    assert caught.value.field == "custom_params.slo.class"


@pytest.mark.parametrize("default", ["gold", ""])
def test_unknown_default_is_an_error(default):
    with pytest.raises(SLOError, match="default_slo_class"):
        SLOClasses(default=default)
    with pytest.raises(SLOError, match="default_slo_class"):
        SLOClasses().redefined({}, default=default)


def test_redefining_a_preset_replaces_its_targets_and_keeps_its_rank():
    classes = SLOClasses().redefined({"interactive": SLO(ttft_ms=300)})
    assert classes["interactive"].targets == SLO(cls="interactive", ttft_ms=300)
    assert classes.rank("interactive") == 0


def test_new_classes_rank_after_the_others_in_order():
    classes = SLOClasses().redefined({"bulk": SLO(), "dust": SLO()}, default="bulk")
    assert sorted(classes, key=classes.rank) == ["interactive", "standard", "batch", "bulk", "dust"]
    assert classes.resolve(SLO()).cls == "bulk"
    assert len(classes) == 5


def test_redefining_leaves_the_original_alone():
    classes = SLOClasses()
    classes.redefined({"bulk": SLO()})
    assert "bulk" not in classes


def test_ranks_of_no_class_and_of_unknown_ones():
    classes = SLOClasses()
    assert classes.rank(None) == classes.rank("standard")
    assert classes.rank("gold") > max(classes.rank(name) for name in classes)
