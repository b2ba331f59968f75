"""The command line: one file a command, and the only folder that prints. `app` puts the commands together."""

from __future__ import annotations

import signal


def main() -> None:
    """Entry point of the console script. Ctrl-C while the commands are being imported ends the process at once."""
    # Python's own handler would print a traceback from the middle of an import. One that ignores (nohup) stays.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .app import main as app

    app(prog_name="pipeline")
