import pytest

TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2023-11-16 18:15:{second:02}.{part}000000,{300 + 7 * second},{20 + part}\n"
    for second in range(40)
    for part in (1, 6)
)


@pytest.fixture
def trace(tmp_path):
    """80 requests within 40 seconds."""
    path = tmp_path / "trace.csv"
    path.write_text(TRACE)
    return path
