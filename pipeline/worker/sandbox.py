"""What the kernel forbids a worker that decodes files of strangers: Landlock for paths, seccomp for calls, limits.

Applied once by the worker itself, with one thread, before it imports a backend; nothing takes it back. Where the
kernel lacks or refuses a feature the rest is still applied, and the report says what holds. Calls that are forbidden
fail with EPERM, paths with EACCES: the item fails, and the worker goes on.

seccomp looks at the numbers in registers alone. So calls whose flags lie behind a pointer are forbidden as a whole:
`openat2`, `io_uring`; `clone3` is said not to exist, and libraries then use `clone`, whose flags are looked at.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable, Iterator

from ..plan.confinement import Confinement
from . import forbidden_calls as calls

SECCOMP, LANDLOCK_HOLDS = 1, 2  # bits of what holds a worker
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH_*
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CLONE_THREAD = 0x10000
MAP_SHARED, MAP_ANONYMOUS = 0x01, 0x20
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, EQUAL, SET, RETURN = 0x20, 0x15, 0x45, 0x06  # ld [k]; jeq k; jset k; ret k
Instruction = tuple[int, int, int, int]  # code, lines to skip if so, if not, k
REFUSE: Instruction = (RETURN, 0, 0, ERRNO | errno.EPERM)
NUMBER, ARCH, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
LANDLOCK = (444, 445, 446)  # create_ruleset, add_rule, restrict_self; the same everywhere
READ = 0b1100  # read a file, read a folder
FILE_ONLY = 0b0100_0000_0000_0110  # of them what applies to a file: write, read, truncate
EXECUTE = 0b1
WRITE = 0b0110_0001_1011_1110  # files and folders: read, write, make, remove, move, truncate; no links, nodes, sockets


def apply(rules: Confinement) -> int:
    """Confine this process, as far as the kernel does it; bits of what holds from now on."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if rules.data_nbytes is not None:
        _limit_data(rules.data_nbytes)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS: without it neither may be applied
    held = 0
    for bit, confine in ((LANDLOCK_HOLDS, _restrict_paths), (SECCOMP, _filter_calls)):
        if available() & bit:
            try:
                confine(libc, rules)
                held |= bit
            except OSError:
                continue  # a container may forbid one of them; the report says that it does not hold
    return held


def available() -> int:
    """Bits of what this kernel gives."""
    return (SECCOMP if has_seccomp() else 0) | (LANDLOCK_HOLDS if landlock_abi() else 0)


def features(bits: int | None = None) -> str:
    """What these bits stand for, or what this kernel gives, in words; "" for nothing."""
    bits = available() if bits is None else bits
    abi = landlock_abi()
    return ", ".join(
        [*(["seccomp"] if bits & SECCOMP else []), *([f"Landlock {abi}"] if bits & LANDLOCK_HOLDS else [])]
    )


def landlock_abi() -> int:
    """The version of Landlock, 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(ctypes.CDLL(None, use_errno=True).syscall(LANDLOCK[0], None, ctypes.c_size_t(0), 1)))


def has_seccomp() -> bool:
    """Whether calls can be filtered here."""
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        return False
    return int(ctypes.CDLL(None, use_errno=True).prctl(21, 0, 0, 0, 0)) >= 0  # PR_GET_SECCOMP


def _limit_data(nbytes: int) -> None:
    """So much more than now: heap, private mappings and stacks; the arena is shared and does not count."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[5]) * resource.getpagesize()
    except OSError:
        return  # no /proc here
    limits = [each for each in resource.getrlimit(resource.RLIMIT_DATA) if each != resource.RLIM_INFINITY]
    most = min([now + nbytes, *limits])
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _restrict_paths(libc: ctypes.CDLL, rules: Confinement) -> None:
    abi = landlock_abi()
    handled = (1 << (13, 14, 15, 15, 16)[min(abi, 5) - 1]) - 1  # access rights of the version: LANDLOCK_ACCESS_FS_*
    network = 0b11 if abi >= 4 and not rules.network else 0
    scoped = 0b11 if abi >= 6 else 0  # no signals to, no abstract sockets of processes outside
    attr = struct.pack("QQQ", handled, network, scoped)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _call(libc.syscall, LANDLOCK[0], attr, ctypes.c_size_t(len(attr)), 0)
    try:
        _add_rules(libc, ruleset, rules.reads, READ & handled)
        _add_rules(libc, ruleset, rules.libraries, (READ | EXECUTE) & handled)
        _add_rules(libc, ruleset, rules.writes, WRITE & handled)
        _add_rules(libc, ruleset, ("/dev/null",), (READ | 0b10) & handled)
        _call(libc.syscall, LANDLOCK[2], ruleset, 0)
    finally:
        os.close(ruleset)


def _filter_calls(libc: ctypes.CDLL, rules: Confinement) -> None:
    program = _program(rules)
    code = ctypes.create_string_buffer(program, len(program))
    pointer = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    _call(libc.prctl, 22, 2, ctypes.create_string_buffer(pointer, len(pointer)), 0, 0)  # PR_SET_SECCOMP, FILTER


def _add_rules(libc: ctypes.CDLL, ruleset: int, paths: Iterable[str], access: int) -> None:
    for path in paths:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # what is not there need not be allowed
        rights = access if os.path.isdir(path) else access & (FILE_ONLY | EXECUTE)
        try:
            _call(libc.syscall, LANDLOCK[1], ruleset, 1, struct.pack("=Qi", rights, fd), 0)  # RULE_PATH_BENEATH
        finally:
            os.close(fd)


def _program(rules: Confinement) -> bytes:
    """The filter, struct sock_filter[]: calls whose arguments are looked at, then the numbers of the rest."""
    column, arch = MACHINES[platform.machine()]
    lines = [(LOAD, 0, 0, ARCH), (EQUAL, 1, 0, arch), (RETURN, 0, 0, KILL_PROCESS), (LOAD, 0, 0, NUMBER)]
    if arch == MACHINES["x86_64"][1]:  # numbers of the x32 ABI name the same calls
        lines += [(SET, 0, 1, 0x40000000), REFUSE]
    for call, argument, test in _looked_at(rules):
        if call[column] >= 0:
            body = [(LOAD, 0, 0, FIRST_ARGUMENT + 8 * argument), *test, (RETURN, 0, 0, ALLOW)]
            lines += [(EQUAL, 0, len(body), call[column]), *body]
    lines += [(EQUAL, 0, 1, calls.CLONE3[column]), (RETURN, 0, 0, ERRNO | errno.ENOSYS)]
    tables = (calls.FORBIDDEN, {} if rules.network else calls.NETWORK, {} if rules.writes else calls.CHANGES)
    for number in sorted(numbers[column] for table in tables for numbers in table.values()):
        if number >= 0:
            lines += [(EQUAL, 0, 1, number), REFUSE]
    return b"".join(struct.pack("HBBI", *line) for line in [*lines, (RETURN, 0, 0, ALLOW)])


def _looked_at(rules: Confinement) -> Iterator[tuple[tuple[int, int], int, list[Instruction]]]:
    """Calls, the argument whose low half is looked at, and the test of it; what passes the test is allowed."""
    if not rules.writes:
        for call, argument in ((calls.OPEN, 1), (calls.OPENAT, 2)):
            yield call, argument, [(SET, 0, 1, WRITING), REFUSE]
    for call in (calls.KILL, calls.TGKILL):
        yield call, 0, [(EQUAL, 1, 0, os.getpid()), REFUSE]
    yield calls.PRLIMIT, 0, [(EQUAL, 2, 0, 0), (EQUAL, 1, 0, os.getpid()), REFUSE]
    yield calls.CLONE, 0, [(SET, 1, 0, CLONE_THREAD), REFUSE]
    yield calls.MMAP, 3, [(SET, 0, 2, MAP_ANONYMOUS), (SET, 0, 1, MAP_SHARED), REFUSE]
    for call, commands in ((calls.FCNTL, calls.FCNTL_COMMANDS), (calls.IOCTL, calls.IOCTL_COMMANDS)):
        yield call, 1, [line for command in commands for line in ((EQUAL, 0, 1, command), REFUSE)]


def _call(function: ctypes._NamedFuncPointer, *arguments: object) -> int:
    result = int(function(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"the sandbox was refused: {os.strerror(number)}")
    return result
