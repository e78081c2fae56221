"""Runs the proxy in this process and ends it when the process that started it is gone.

Standard input is a pipe whose other end `up` holds open. The kernel closes it when `up` ends, however it ends, `kill
-9` included; an orphan would keep the port and serve a configuration that nobody looks after.
"""

import importlib
import os
import signal
import sys
import threading
import time

ORPHAN_SECONDS = 10.0
"""An orphan drains as after Ctrl-C; this bounds it."""


def main() -> None:
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    sys.argv[0] = "claude-gateway-proxy"
    # By name: the control plane does not import the data plane, it only starts it.
    sys.exit(importlib.import_module("gateway_proxy.main").main())


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(ORPHAN_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
