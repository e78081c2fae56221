"""`claude-gateway`."""

import time

STARTED = time.monotonic()
"""When the program began, as nearly as it can tell."""
