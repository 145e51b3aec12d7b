"""All cores compute, although the process that starts the scheduler keeps to one thread."""

import os
import subprocess
import sys

import pytest

from superinfer.srt import threads

pytestmark = pytest.mark.integration


def test_the_scheduler_computes_with_the_reserved_threads_although_torch_is_loaded():
    code = (
        "import torch\nfrom superinfer.srt import threads\nassert torch.get_num_threads() == 1\n"
        "threads.use_compute_threads()\nprint(torch.get_num_threads())"
    )
    environ = os.environ | {"OMP_NUM_THREADS": "1", threads.THREADS_ENV: "2"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2"
