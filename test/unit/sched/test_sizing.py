"""How long a step may be."""

import pytest

from superinfer.sched.sizing import pace_share
from superinfer.sched.step_time import StepTime

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("error", "share"), [(0.0, 0.85), (0.05, 0.85), (0.1, 0.7), (0.4, 0.5)])
def test_the_more_predictions_err_the_more_is_left_of_a_streams_time(error, share):
    step_time = StepTime()
    step_time.prompt_error = error
    assert pace_share(step_time) == pytest.approx(share)
