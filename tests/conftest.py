"""What all tests share: how hypothesis looks for counter-examples."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A shared machine may be slow at any moment: time is no property of the code under test.
# In CI the examples are the same each time, so that a failure can be repeated.
settings.register_profile(
    "ours",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
)
settings.load_profile("ours")
