from math import inf

import pytest

from superinfer.cache.use import Kind
from superinfer.slo import SLO
from superinfer.srt.cache.asker import kind_of, slack_ms

pytestmark = pytest.mark.unit


def test_slack_is_the_time_to_the_first_token_or_to_the_end():
    assert slack_ms(SLO(ttft_ms=300, deadline_ms=9000)) == 300
    assert slack_ms(SLO(deadline_ms=9000)) == 9000
    assert slack_ms(SLO(tpot_ms=50)) == inf


@pytest.mark.parametrize(
    ("role", "kind"),
    [("user", Kind.USER), ("tool", Kind.TOOL), ("developer", Kind.SYSTEM), ("other", Kind.UNKNOWN), (5, Kind.UNKNOWN)],
)
def test_roles(role, kind):
    assert kind_of(role) == kind
