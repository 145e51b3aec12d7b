"""What property tests draw from."""

import string

from hypothesis import strategies as st

from superinfer.slo import KV_FORMATS, SLO
from superinfer.slo.fields import MAX_MS, MAX_TPS, MIN_TPS
from superinfer.slo.model import WIRE_FIELDS

NAMES = st.text(string.ascii_letters + string.digits, min_size=1, max_size=64)
PRESET_NAMES = st.sampled_from(["interactive", "standard", "batch"])
MILLIS = st.integers(1, MAX_MS)
RATES = st.floats(MIN_TPS, MAX_TPS)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
ALMOST_SLO = st.dictionaries(
    st.sampled_from([*WIRE_FIELDS, "unknown"]),
    JSON | MILLIS | NAMES | st.sampled_from(KV_FORMATS) | st.sampled_from([10**400, -1, 0, 1e308, 5e-324]),
    max_size=4,
)
"""Objects that are valid SLOs now and then, and wrong in one place often."""


@st.composite
def slos(draw, classes=NAMES, tenants=NAMES):
    """Valid SLOs; each field is absent in half of them."""
    ttft_ms = draw(st.none() | MILLIS)
    return SLO(
        cls=draw(st.none() | classes),
        ttft_ms=ttft_ms,
        tpot_ms=draw(st.none() | MILLIS),
        deadline_ms=draw(st.none() | st.integers(ttft_ms or 1, MAX_MS)),
        min_tps=draw(st.none() | RATES),
        kv=draw(st.none() | st.sampled_from(KV_FORMATS)),
        tenant=draw(st.none() | tenants),
    )
