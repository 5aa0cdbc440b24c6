from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import ConfigurationError
from runtime.settings import Settings, load_settings, variable
from tests.fuzz.effort import effort

URL = "postgresql://user@host/database"
HOSTILE = ["", " ", "0", "-1", "nan", "inf", "-inf", "1e999", "1" * 5000, "0x10", "1_000", "\uff11", "é", "\ud800", "9" * 30, "http://[", "amqp://h:99999", "postgres://h:x/"]  # fmt: skip


@effort(400)
@given(
    st.dictionaries(
        st.sampled_from([variable(f) for f in Settings.__annotations__]), st.sampled_from(HOSTILE) | st.text()
    )
)
def test_environment_gives_usable_settings_or_says_what_is_wrong(environment: dict[str, str]) -> None:
    """No environment gets further than here with a figure that nothing can work with."""
    try:
        settings = load_settings({variable("database_url"): URL} | environment)
    except ConfigurationError:
        return
    for name in ("lease_ttl", "idle", "sweep_after", "inbox_days", "shutdown_grace"):
        assert 0 <= getattr(settings, name) < math.inf, name
    assert settings.prefetch >= 1


@pytest.mark.parametrize("name", ["lease_ttl", "idle", "sweep_after", "inbox_days", "shutdown_grace"])
@pytest.mark.parametrize("text", ["nan", "inf", "1e300"])
def test_duration_that_no_clock_has_is_refused(name: str, text: str) -> None:
    """NaN is not below 0, and an infinity is no time to wait."""
    with pytest.raises(ConfigurationError, match=variable(name)):
        load_settings({variable("database_url"): URL, variable(name): text})
