"""The fork server: a process that imports what all workers need, once, and forks each of them in a few milliseconds.

It runs no stage, opens no backend and has one thread, so forking it is safe; the parent, which has threads, never
forks. It reaps a worker only when told to: until then the number of a dead one belongs to no other process.
"""

from __future__ import annotations

import atexit
import errno
import gc
import os
import pickle
import signal
import socket
import struct
import sys
import traceback
from typing import Any

from ..errors import EnvironmentRefusal

LENGTH, ANSWER = struct.Struct("<I"), struct.Struct("<q")
FORK, REAP = "fork", "reap"  # requests: (FORK, boot) with four descriptors -> process id; (REAP, id) -> exit code
DESCRIPTORS = 4  # a worker's: arena, commands, results, errors
Request = tuple[str, Any]


def main(fd: int, parent: int) -> None:
    """Entry of the fork server; `fd` is its end of the socket to process `parent`, with which it ends."""
    from . import end_with_parent

    end_with_parent(parent)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it was ignored, the kernel would reap before we do
    from . import worker_loop  # noqa: F401 - numpy and the engine: what a worker needs before it is pinned

    sock = socket.socket(fileno=fd)
    os.set_inheritable(fd, False)
    gc.freeze()  # the pages that workers share with us stay shared
    while (request := _receive(sock)) is not None:
        (verb, what), fds = request
        answer = _fork(sock, what, fds) if verb == FORK else os.waitstatus_to_exitcode(os.waitpid(what, 0)[1])
        sock.sendall(ANSWER.pack(answer))
    os._exit(0)


def _receive(sock: socket.socket) -> tuple[Request, list[int]] | None:
    """The next request; None when the parent has closed its end or is gone."""
    head, fds, _, _ = socket.recv_fds(sock, LENGTH.size, DESCRIPTORS)
    if not head:
        return None
    (length,) = LENGTH.unpack(head)
    data = bytearray()
    while len(data) < length:
        data += sock.recv(length - len(data)) or _parent_is_gone()
    return pickle.loads(data), fds  # noqa: S301 - from our own parent, over a socket that no other process holds


def _parent_is_gone() -> bytes:
    os._exit(0)


def _fork(sock: socket.socket, boot: Any, fds: list[int]) -> int:
    """The process id of a new worker, or -errno."""
    own = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        pid = -(error.errno or errno.EAGAIN)
    if not pid:
        _become_worker(sock, boot, own, fds)
    for inherited in fds:
        os.close(inherited)
    return pid


def _become_worker(sock: socket.socket, boot: Any, parent: int, fds: list[int]) -> None:
    """What the fork goes on as. Ends the process."""
    code = 1
    try:
        sock.close()
        if "numpy.random" in sys.modules:
            sys.modules["numpy.random"].seed()  # else every worker would draw the same numbers
        from . import main as work

        work(boot, parent, *fds)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except EnvironmentRefusal as error:  # a library is missing: no other worker would get further
        print(str(error).replace("\n", " "), file=sys.stderr)  # noqa: T201 - what the parent reads
        code = int(error.exit_code)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            atexit._run_exitfuncs()  # of libraries that stages use: temporary folders, logs
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
        finally:
            os._exit(code)
