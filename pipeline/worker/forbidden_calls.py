"""Numbers of the calls that a confined worker may not make: x86_64, aarch64 (asm/unistd_64.h, unistd.h of asm-generic);
-1 where there is none. Data only; `sandbox` makes the filter of it.
"""

from __future__ import annotations

CallNumbers = dict[str, tuple[int, int]]

NETWORK: CallNumbers = {
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242),
}  # fmt: skip
# Programs and other processes, and what the kernel or a helper would do in place of the worker.
PROCESSES: CallNumbers = {
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, -1), "vfork": (58, -1), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440), "kcmp": (312, 272),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "setpriority": (141, 140), "ioprio_set": (251, 30),
    "openat2": (437, 437), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "setns": (308, 268), "unshare": (272, 97),
}  # fmt: skip
# Memory that RLIMIT_DATA does not count, and that outlives the process.
MEMORY: CallNumbers = {
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "shmat": (30, 196),
    "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192),
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187), "mq_open": (240, 180),
    "mq_unlink": (241, 181),
}  # fmt: skip
# Rights, owners, times and attributes of files, also of those that may only be read: Landlock has no say in them.
ATTRIBUTES: CallNumbers = {
    "chmod": (90, -1), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, -1),
    "fchown": (93, 55), "lchown": (94, -1), "fchownat": (260, 54), "utime": (132, -1), "utimes": (235, -1),
    "futimesat": (261, -1), "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "setxattrat": (463, 463), "removexattrat": (466, 466), "file_setattr": (469, 469),
    "open_by_handle_at": (304, 265),
}  # fmt: skip
# The machine: a worker may be that of root.
MACHINE: CallNumbers = {
    "mount": (165, 40), "umount2": (166, 39), "chroot": (161, 51), "pivot_root": (155, 41), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "open_tree": (428, 428), "mount_setattr": (442, 442), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, -1), "ioperm": (173, -1),
}  # fmt: skip
FORBIDDEN: CallNumbers = PROCESSES | MEMORY | ATTRIBUTES | MACHINE
# What changes the file system by a path; forbidden where the group writes nothing, else Landlock holds it.
CHANGES: CallNumbers = {
    "creat": (85, -1), "truncate": (76, 45), "unlink": (87, -1), "unlinkat": (263, 35), "rename": (82, -1),
    "renameat": (264, 38), "renameat2": (316, 276), "mkdir": (83, -1), "mkdirat": (258, 34), "rmdir": (84, -1),
    "link": (86, -1), "linkat": (265, 37), "symlink": (88, -1), "symlinkat": (266, 36), "mknod": (133, -1),
    "mknodat": (259, 33),
}  # fmt: skip

# Calls whose arguments are looked at.
OPEN, OPENAT, CLONE, CLONE3 = (2, -1), (257, 56), (56, 220), (435, 435)
KILL, TGKILL, PRLIMIT, MMAP, FCNTL, IOCTL = (62, 129), (234, 131), (302, 261), (9, 222), (72, 25), (16, 29)
# F_SETOWN, F_SETSIG, F_SETOWN_EX: a pipe that is written to would signal another process.
FCNTL_COMMANDS = (8, 10, 15)
# FIOSETOWN, SIOCSPGRP, FIOASYNC: the same; TIOCSTI, TIOCLINUX: typing into the terminal; FS_IOC_SETFLAGS, FSSETXATTR.
IOCTL_COMMANDS = (0x8901, 0x8902, 0x5452, 0x5412, 0x541C, 0x40086602, 0x401C5820)
