"""What the kernel forbids a worker that decodes files of strangers: Landlock for paths, seccomp for calls, limits.

Applied once by the worker itself, with one thread, before it imports a backend; nothing takes it back. Where the
kernel lacks a feature the rest is still applied. Calls that are forbidden fail with EPERM, paths with EACCES: the item
fails, and the worker goes on.

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
from collections.abc import Iterable

from ..plan.confinement import Confinement

# Numbers of calls: x86_64, aarch64 (asm/unistd_64.h, asm-generic/unistd.h); -1 where there is none.
CALLS = {
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "execve": (59, 221), "execveat": (322, 281), "fork": (57, -1),
    "vfork": (58, -1), "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "openat2": (437, 437), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "mount": (165, 40), "umount2": (166, 39), "chroot": (161, 51),
    "pivot_root": (155, 41), "setns": (308, 268), "unshare": (272, 97), "init_module": (175, 105),
    "finit_module": (313, 273), "kexec_load": (246, 104), "reboot": (169, 142), "open_by_handle_at": (304, 265),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "move_mount": (429, 429),
    "fsopen": (430, 430), "open_tree": (428, 428), "mount_setattr": (442, 442),
}  # fmt: skip
NETWORK = ("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4")
# What changes the file system by a path; forbidden where the group writes nothing.
CHANGES = {
    "creat": (85, -1), "truncate": (76, 45), "unlink": (87, -1), "unlinkat": (263, 35), "rename": (82, -1),
    "renameat": (264, 38), "renameat2": (316, 276), "mkdir": (83, -1), "mkdirat": (258, 34), "rmdir": (84, -1),
    "link": (86, -1), "linkat": (265, 37), "symlink": (88, -1), "symlinkat": (266, 36), "mknod": (133, -1),
    "mknodat": (259, 33), "chmod": (90, -1), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, -1),
    "lchown": (94, -1), "fchownat": (260, 54), "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6),
}  # fmt: skip
OPEN, OPENAT, CLONE, CLONE3, KILL, TGKILL = (2, -1), (257, 56), (56, 220), (435, 435), (62, 129), (234, 131)
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH_*
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CLONE_THREAD = 0x10000
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, EQUAL, SET, RETURN = 0x20, 0x15, 0x45, 0x06  # ld [k]; jeq k; jset k; ret k
NUMBER, ARCH, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
LANDLOCK = (444, 445, 446)  # create_ruleset, add_rule, restrict_self; the same everywhere
READ = 0b1100  # read a file, read a folder
FILE_ONLY = 0b0100_0000_0000_0110  # of them what applies to a file: write, read, truncate
EXECUTE = 0b1


def apply(rules: Confinement) -> None:
    """Confine this process.

    Raises:
        OSError: the kernel has a feature and refuses it.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if rules.data_nbytes is not None:
        _limit_data(rules.data_nbytes)
    libc = ctypes.CDLL(None, use_errno=True)
    if landlock_abi() or has_seccomp():
        _call(libc.prctl, 38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS: without it neither may be applied
    if landlock_abi():
        _restrict_paths(libc, rules)
    if has_seccomp():
        program = _program(rules)
        code = ctypes.create_string_buffer(program, len(program))
        pointer = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
        _call(libc.prctl, 22, 2, ctypes.create_string_buffer(pointer, len(pointer)), 0, 0)  # PR_SET_SECCOMP, FILTER


def features() -> str:
    """What this kernel gives, in words; "" where it gives nothing."""
    abi = landlock_abi()
    return ", ".join([*(["seccomp"] if has_seccomp() else []), *([f"Landlock {abi}"] if abi else [])])


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
    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[5]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = now + nbytes if hard == resource.RLIM_INFINITY else min(now + nbytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _restrict_paths(libc: ctypes.CDLL, rules: Confinement) -> None:
    abi = landlock_abi()
    handled = (1 << (13, 14, 15, 15, 16)[min(abi, 5) - 1]) - 1  # access rights of the version: LANDLOCK_ACCESS_FS_*
    network = 0b11 if abi >= 4 and not rules.network else 0
    scoped = 0b11 if abi >= 6 else 0  # no signals to, no abstract sockets of processes outside
    attr = struct.pack("QQQ", handled, network, scoped)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _call(libc.syscall, LANDLOCK[0], attr, ctypes.c_size_t(len(attr)), 0)
    write = handled & ~EXECUTE if rules.writes else 0
    _add_rules(libc, ruleset, rules.reads, READ & handled)
    _add_rules(libc, ruleset, rules.libraries, (READ | EXECUTE) & handled)
    _add_rules(libc, ruleset, rules.writes, write)
    _add_rules(libc, ruleset, ("/dev/null",), (READ | 0b10) & handled)
    _call(libc.syscall, LANDLOCK[2], ruleset, 0)
    os.close(ruleset)


def _add_rules(libc: ctypes.CDLL, ruleset: int, paths: Iterable[str], access: int) -> None:
    for path in paths:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # what is not there need not be allowed
        rights = access if os.path.isdir(path) else access & (FILE_ONLY | EXECUTE)
        _call(libc.syscall, LANDLOCK[1], ruleset, 1, struct.pack("=Qi", rights, fd), 0)  # RULE_PATH_BENEATH
        os.close(fd)


def _program(rules: Confinement) -> bytes:
    """The filter: struct sock_filter[], built from its end so that each jump knows where to go."""
    column, arch = MACHINES[platform.machine()]
    refuse, allow = ERRNO | errno.EPERM, ALLOW
    forbidden = [calls[column] for name, calls in CALLS.items() if not (rules.network and name in NETWORK)]
    lines = [(LOAD, 0, 0, ARCH), (EQUAL, 1, 0, arch), (RETURN, 0, 0, KILL_PROCESS), (LOAD, 0, 0, NUMBER)]
    if arch == MACHINES["x86_64"][1]:  # numbers of the x32 ABI name the same calls
        lines += [(SET, 0, 1, 0x40000000), (RETURN, 0, 0, refuse)]
    if not rules.writes:
        forbidden += [calls[column] for calls in CHANGES.values()]
        for call, argument in ((OPEN, 1), (OPENAT, 2)):
            lines += _looked_at(call[column], argument, [(SET, 0, 1, WRITING), (RETURN, 0, 0, refuse)])
    for call in (KILL, TGKILL):
        lines += _looked_at(call[column], 0, [(EQUAL, 1, 0, os.getpid()), (RETURN, 0, 0, refuse)])
    lines += _looked_at(CLONE[column], 0, [(SET, 1, 0, CLONE_THREAD), (RETURN, 0, 0, refuse)])
    lines += [(EQUAL, 0, 1, CLONE3[column]), (RETURN, 0, 0, ERRNO | errno.ENOSYS)]
    for number in sorted(forbidden):
        if number >= 0:
            lines += [(EQUAL, 0, 1, number), (RETURN, 0, 0, refuse)]
    return b"".join(struct.pack("HBBI", *line) for line in [*lines, (RETURN, 0, 0, allow)])


def _looked_at(number: int, argument: int, test: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Lines for one call: the low half of an argument is tested, and what passes is allowed."""
    if number < 0:
        return []
    body = [(LOAD, 0, 0, FIRST_ARGUMENT + 8 * argument), *test, (RETURN, 0, 0, ALLOW)]
    return [(EQUAL, 0, len(body), number), *body]


def _call(function: ctypes._NamedFuncPointer, *arguments: object) -> int:
    result = int(function(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"the sandbox was refused: {os.strerror(number)}")
    return result
