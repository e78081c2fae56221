"""Fixtures that every area may use."""

import signal

from hypothesis import settings

pytest_plugins = ("tests.cluster.plugin", "tests.standins.plugin")

# A busy machine makes any example slow: only the test's own timeout counts.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# A shell's background jobs ignore Ctrl-C, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
