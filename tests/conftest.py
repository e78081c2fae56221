"""Fixtures that every area may use."""

pytest_plugins = ("tests.cluster.plugin",)
