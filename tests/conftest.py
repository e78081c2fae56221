"""Fixtures that every area may use."""

from hypothesis import settings

pytest_plugins = ("tests.cluster.plugin", "tests.standins.plugin")

# A busy machine makes any example slow: only the test's own timeout counts.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
