from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superinfer.slo import SLO, Carried, ClampRule, Principal, SLOClasses, SLOError, SLOPolicy
from unit.strategies import PRESET_NAMES, slos

pytestmark = pytest.mark.unit

CLASSES = SLOClasses()
ANYONE = Principal()
DIGESTS = [sha256(key.encode()).hexdigest() for key in ("first", "second")]
TENANTS = st.sampled_from(["red", "blue"])
ALLOWED = st.lists(PRESET_NAMES, min_size=1, unique=True).map(tuple)


def promise(rules, asked, principal=ANYONE):
    return SLOPolicy(CLASSES, tuple(rules)).promise(asked, Carried(), principal)


@st.composite
def rule_sets(draw):
    """At most one rule for each tenant and each key, in any order."""
    rules = [
        *(ClampRule(draw(ALLOWED), tenant=t, explicit_targets=draw(st.booleans())) for t in (None, "red", "blue")),
        *(
            ClampRule(
                draw(ALLOWED),
                api_key_sha256=digest,
                explicit_targets=draw(st.booleans()),
                as_tenant=draw(st.none() | TENANTS),
            )
            for digest in DIGESTS
        ),
    ]
    return draw(st.lists(st.sampled_from(rules), unique=True))


def test_without_rules_everyone_gets_what_they_ask_for():
    assert promise([], SLO(cls="interactive", ttft_ms=5)).ttft_ms == 5


def test_a_class_outside_the_rule_becomes_the_most_important_one_inside():
    rule = ClampRule(("batch", "standard"), tenant="red")
    assert promise([rule], SLO(cls="interactive", ttft_ms=5, tenant="red")) == SLO(
        cls="standard", kv="native", tenant="red"
    )


def test_the_default_class_is_clamped_too():
    assert promise([ClampRule(("batch",), tenant="red")], SLO(tenant="red")).cls == "batch"


def test_a_class_inside_the_rule_keeps_its_explicit_targets():
    rule = ClampRule(("batch",), tenant="red")
    assert promise([rule], SLO(cls="batch", ttft_ms=5, tenant="red")).ttft_ms == 5


def test_a_rule_may_forbid_explicit_targets():
    rule = ClampRule(("batch",), tenant="red", explicit_targets=False)
    asked = SLO(cls="batch", ttft_ms=5, min_tps=9, tenant="red")
    assert promise([rule], asked) == SLO(cls="batch", kv="int4", tenant="red")


def test_a_tenant_rule_leaves_other_tenants_alone():
    rules = [ClampRule(("batch",), tenant="red")]
    assert promise(rules, SLO(cls="interactive", tenant="blue")).cls == "interactive"
    assert promise(rules, SLO(cls="interactive")).cls == "interactive"


def test_a_rule_without_tenant_and_key_is_for_requests_without_tenant():
    rules = [ClampRule(("batch",))]
    assert promise(rules, SLO(cls="interactive")).cls == "batch"
    assert promise(rules, SLO(cls="interactive", tenant="red")).cls == "interactive"


def test_a_key_rule_applies_to_that_key_whatever_tenant_it_claims():
    rules = [ClampRule(("batch",), api_key_sha256=DIGESTS[0], as_tenant="blue")]
    first, second = Principal(DIGESTS[0]), Principal(DIGESTS[1])
    assert promise(rules, SLO(cls="interactive", tenant="red"), first) == SLO(cls="batch", kv="int4", tenant="blue")
    assert promise(rules, SLO(cls="interactive", tenant="red"), second).cls == "interactive"
    assert promise(rules, SLO(cls="interactive", tenant="red")).cls == "interactive"


def test_a_key_cannot_climb_by_claiming_a_better_tenant():
    rules = [ClampRule(("batch",), api_key_sha256=DIGESTS[0]), ClampRule(("interactive",), tenant="red")]
    for order in (rules, rules[::-1]):
        assert promise(order, SLO(tenant="red"), Principal(DIGESTS[0])).cls == "batch"


@given(rule_sets(), slos(classes=PRESET_NAMES, tenants=TENANTS), st.sampled_from([None, *DIGESTS]))
def test_nobody_obtains_anything_outside_the_rule_for_them(rules, asked, digest):
    promised = promise(rules, asked, Principal(digest))
    by_key = next((rule for rule in rules if rule.api_key_sha256 == digest is not None), None)
    by_tenant = next((rule for rule in rules if rule.api_key_sha256 is None and rule.tenant == asked.tenant), None)
    rule = by_key or by_tenant
    if rule is None:
        assert promised == CLASSES.resolve(asked)
        return
    assert promised.cls in rule.classes
    assert promised.tenant == (rule.as_tenant or asked.tenant)
    if not rule.explicit_targets:
        assert promised == SLO(tenant=promised.tenant).over(CLASSES[promised.cls].targets)


def test_an_unknown_class_is_an_error_for_the_clamped_too():
    with pytest.raises(SLOError, match="not a class of this server"):
        promise([ClampRule(("batch",), tenant="red")], SLO(cls="gold", tenant="red"))


@pytest.mark.parametrize(
    ("params", "body", "field"),
    [(SLO(), SLO(cls="gold"), "slo.class"), (SLO(cls="gold"), SLO(), "custom_params.slo.class")],
)
def test_an_unknown_class_is_named_where_it_stood(params, body, field):
    with pytest.raises(SLOError) as caught:
        SLOPolicy(CLASSES).promise(params, Carried(body=body), ANYONE, "custom_params.slo")
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (ClampRule(("gold",), tenant="red"), "clamps[1].classes"),
        (ClampRule(("batch",), tenant="a b"), "clamps[1].tenant"),
        (ClampRule(("batch",), api_key_sha256=DIGESTS[0], as_tenant="a b"), "clamps[1].as_tenant"),
        (ClampRule(("batch",), api_key_sha256=DIGESTS[0], tenant="red"), "clamps[1].tenant"),
        (ClampRule(("batch",), api_key_sha256="sk-the-key-itself"), "clamps[1].api_key_sha256"),
        (ClampRule(("batch",), api_key_sha256=DIGESTS[0].upper()), "clamps[1].api_key_sha256"),
    ],
)
def test_rules_that_could_not_work_are_refused_at_once(rule, field):
    with pytest.raises(SLOError) as caught:
        SLOPolicy(CLASSES, (ClampRule(("batch",), tenant="red"), rule))
    assert caught.value.field == field


@pytest.mark.parametrize("header", ["Bearer first", "bearer first", "BEARER first", "Bearer  first "])
def test_the_bearer_token_becomes_a_digest(header):
    assert Principal.from_authorization(header) == Principal(DIGESTS[0])


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic first", "first"])
def test_no_bearer_token_is_no_principal(header):
    assert Principal.from_authorization(header) == ANYONE
