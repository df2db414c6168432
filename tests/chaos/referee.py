# SPDX-License-Identifier: MIT
"""The referee of faults.py and births.py: an engine that runs under a seccomp filter whose verdict on some calls is asked of
this process (seccomp_unotify(2)), which lets each call through but the one that is to fail, with an error that this call knows."""
import argparse
import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import subprocess
import threading
import time
from collections import Counter

# What fails, and how. Calls that wait, that read, or that say something to a peer that would be lost are left out, but
# for messages to the kernel: chaos.py has the peers' deaths.
CALLS = {
    "write": (1, errno.ENOSPC), "mmap": (9, errno.ENOMEM), "ioctl": (16, errno.EIO), "pwrite64": (18, errno.EIO),
    "socket": (41, errno.ENFILE), "sendmsg": (46, errno.ENOBUFS), "bind": (49, errno.EADDRINUSE),
    "listen": (50, errno.ENFILE), "socketpair": (53, errno.EMFILE), "fork": (57, errno.EAGAIN),
    "execve": (59, errno.ENOMEM), "ftruncate": (77, errno.ENOSPC), "fchdir": (81, errno.EACCES),
    "fchmod": (91, errno.EPERM), "fchown": (93, errno.EPERM), "setuid": (105, errno.EAGAIN),
    "setresuid": (117, errno.EAGAIN), "setgroups": (116, errno.EPERM), "capset": (126, errno.EPERM),
    "pivot_root": (155, errno.EINVAL), "prctl": (157, errno.EINVAL), "chroot": (161, errno.EPERM),
    "setrlimit": (160, errno.EPERM), "mount": (165, errno.ENOMEM), "umount2": (166, errno.EBUSY),
    "sethostname": (170, errno.EPERM), "epoll_ctl": (233, errno.ENOSPC), "openat": (257, errno.EMFILE),
    "mkdirat": (258, errno.ENOSPC), "mknodat": (259, errno.ENOSPC), "unlinkat": (263, errno.EIO),
    "renameat": (264, errno.EIO), "linkat": (265, errno.EIO), "symlinkat": (266, errno.ENOSPC),
    "fchmodat": (268, errno.EPERM), "unshare": (272, errno.ENOSPC), "utimensat": (280, errno.EPERM),
    "timerfd_create": (283, errno.EMFILE), "fallocate": (285, errno.ENOSPC), "accept4": (288, errno.EMFILE),
    "eventfd2": (290, errno.EMFILE), "dup3": (292, errno.EBADF), "pipe2": (293, errno.EMFILE),
    "prlimit64": (302, errno.EPERM), "setns": (308, errno.EPERM), "renameat2": (316, errno.EIO),
    "seccomp": (317, errno.ENOMEM), "memfd_create": (319, errno.ENFILE), "fsync": (74, errno.EIO),
    "rename": (82, errno.EIO), "mkdir": (83, errno.ENOSPC), "rmdir": (84, errno.EIO), "unlink": (87, errno.EIO),
    "chmod": (90, errno.EPERM), "chown": (92, errno.EPERM), "setxattr": (188, errno.ENOSPC),
    "fsetxattr": (190, errno.ENOSPC), "epoll_create1": (291, errno.EMFILE),
    "fdatasync": (75, errno.EIO), "copy_file_range": (326, errno.ENOSPC), "pidfd_send_signal": (424, errno.EPERM),
    "open_tree": (428, errno.ENOMEM), "move_mount": (429, errno.EINVAL), "fsopen": (430, errno.ENOMEM),
    "fsconfig": (431, errno.EINVAL), "fsmount": (432, errno.ENOMEM), "pidfd_open": (434, errno.EMFILE),
    "clone3": (435, errno.EAGAIN), "clone": (56, errno.EAGAIN), "openat2": (437, errno.EMFILE),
    "mount_setattr": (442, errno.EINVAL), "landlock_create_ruleset": (444, errno.EMFILE),
    "landlock_add_rule": (445, errno.ENOMEM), "landlock_restrict_self": (446, errno.E2BIG),
}
NAMES = {nr: name for name, (nr, _) in CALLS.items()}
CONTROL = ("/proc/", "/sys/")  # of files that are written, those whose writes do something

NOTIF, RESP = struct.Struct("<QIIiIQ6Q"), struct.Struct("<QqiI")
RECV, SEND = 0xC0502100, 0xC0182101
CONTINUE = 1
EPOLL_CTL_DEL = 2
SYS_SECCOMP, SET_FILTER, NEW_LISTENER = 317, 1, 8

libc = ctypes.CDLL(None, use_errno=True)


class Wrong(Exception):
    """Something is not as it must be."""


def filter_install():
    """From here on this process and all below it ask; returns the end that is asked."""
    ask, allow = 0x7FC00000, 0x7FFF0000
    numbers = sorted(NAMES)
    rows = [(0x20, 0, 0, 0)]  # the number
    rows += [(0x15, len(numbers) - i, 0, nr) for i, nr in enumerate(numbers)]
    rows += [(0x06, 0, 0, allow), (0x06, 0, 0, ask)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *row) for row in rows))
    prog = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(rows), ctypes.addressof(code)))
    fd = libc.syscall(SYS_SECCOMP, SET_FILTER, NEW_LISTENER, prog)
    if fd < 0:
        sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
    return fd


def getfd(pid, fd):
    """A copy of another process's descriptor, or -1."""
    pidfd = os.pidfd_open(pid)
    try:
        return libc.syscall(438, pidfd, fd, 0)
    finally:
        os.close(pidfd)


class Referee(threading.Thread):
    """Answers for the kernel: each call may be made, but for the one that is to fail."""

    def __init__(self, fd):
        super().__init__(daemon=True)
        self.fd, self.lock = fd, threading.Lock()
        self.counts, self.target, self.fired, self.netlink, self.over = {}, None, None, {}, False

    def close(self):
        """Or the next engine would inherit it, and be taken for this one."""
        if not self.over:
            self.over = True
            self.join()
            os.close(self.fd)

    def arm(self, target=None):
        with self.lock:
            self.counts, self.target, self.fired = {}, target, None

    def role(self, pid):
        """Which process a thread is of, as README calls it; None: a workload."""
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as f:
            comm = f.read().strip()
        if comm in ("shim-child", "init", "visit"):
            return comm
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            words = f.read().replace(b"\0", b" ").decode(errors="replace")
        name = words.split(" ")[0].rsplit("/", 1)[-1]
        if name == "supervisor":
            return name if "--serve" in words else "launcher"
        if name.startswith("shim"):
            return "keeper" if "keeper" in words else "shim"
        return name if name in ("netd", "imaged", "cgroupd") else None

    def counts_as(self, pid, name, args):
        """Writes count if they do something, messages if they are for the kernel."""
        if name in ("write", "pwrite64"):
            path = os.readlink(f"/proc/{pid}/fd/{args[0]}")
            return path.startswith(CONTROL) or "/state/" in path
        if name == "mmap":
            return args[1] >= 1 << 16
        if name == "epoll_ctl":
            return args[1] != EPOLL_CTL_DEL  # which can't fail so
        if name == "sendmsg":
            path = os.readlink(f"/proc/{pid}/fd/{args[0]}")
            if path not in self.netlink:
                self.netlink[path] = self.domain(pid, args[0]) == socket.AF_NETLINK
            return self.netlink[path]
        return True

    @staticmethod
    def domain(pid, fd):
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
            leader = int(next(line for line in f if line.startswith("Tgid")).split()[1])
        copy = getfd(leader, fd)
        if copy < 0:
            return None
        with socket.socket(fileno=copy) as s:
            return s.family

    def judge(self, pid, nr, args):
        role, name = self.role(pid), NAMES[nr]
        if not role or not self.counts_as(pid, name, args):
            return 0
        with self.lock:
            n = self.counts[role, name] = self.counts.get((role, name), 0) + 1
            if self.target != (role, name, n):
                return 0
            self.fired = pid
        return -CALLS[name][1]

    def run(self):
        waiting = select.poll()
        waiting.register(self.fd, select.POLLIN)
        buf = bytearray(NOTIF.size)
        while True:
            events = waiting.poll(1000)
            if self.over or (events and not events[0][1] & select.POLLIN):
                return
            if not events:
                continue
            buf[:] = bytes(NOTIF.size)
            try:
                fcntl.ioctl(self.fd, RECV, buf)
            except OSError:
                continue  # it has died
            ident, pid, _, nr, _, _, *args = NOTIF.unpack(buf)
            try:
                error = self.judge(pid, nr, args)
            except (OSError, StopIteration):
                error = 0
            try:
                fcntl.ioctl(self.fd, SEND, RESP.pack(ident, 0, error, 0 if error else CONTINUE))
            except OSError:
                continue


class Judged:
    """An engine whose calls are judged, from the first on."""

    def __init__(self, argv, log, target=None):
        null = os.open("/dev/null", os.O_RDONLY)
        self.status = None
        self.pid = os.fork()
        if self.pid == 0:
            os.dup2(null, 0)
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            filter_install()  # the descriptor is not for what is executed
            os.execv(argv[0], argv)
        os.close(null)
        wait_for("there is a filter", self.fetch, 5)
        self.referee.arm(target)
        self.referee.start()

    def fetch(self):
        """The end that is asked, out of the process that waits for its first answer."""
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            if os.readlink(f"/proc/{self.pid}/fd/{fd}") == "anon_inode:seccomp notify":
                self.referee = Referee(getfd(self.pid, int(fd)))
                return True
        return False

    def ended(self):
        """Whether it has; its status is kept then."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None

    def end(self, seconds=60):
        """Its exit code once it was told to end; one that does not is killed with all that it started."""
        if not self.ended():
            os.kill(self.pid, 15)
        try:
            wait_for("the engine ends", self.ended, seconds)
        except Wrong:
            for pid in self.family(self.pid):
                os.kill(pid, 9)
            wait_for("a killed engine ends", self.ended, seconds)
            raise
        finally:
            self.referee.close()
        return self.status

    def family(self, pid):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as f:
            for child in f.read().split():
                yield from self.family(child)
        yield int(pid)


def wait_for(what, check, seconds):
    until = time.monotonic() + seconds
    while not check():
        if time.monotonic() > until:
            raise Wrong(f"not within {seconds} s: {what}")
        time.sleep(0.05)


STILL = 2  # seconds: shims end and begin one by one, with pauses on a busy machine


def settled(picture, before=None, seconds=15):
    """What picture() gives once it stands still; with `before`, once it is that again."""
    was, last = "", picture()
    since = time.monotonic()
    until = since + seconds
    while True:
        time.sleep(0.15)
        now = picture()
        if now != last:
            was, last, since = last, now, time.monotonic()
        elif now == before or (before is None and time.monotonic() - since >= STILL):
            return now
        if time.monotonic() > until:
            then, there = Counter((before or was).splitlines()), Counter(now.splitlines())  # standby shims look alike
            raise Wrong("afterwards there is " + "; ".join(
                [f"+{x}" for x in sorted((there - then).elements())] +
                [f"-{x}" for x in sorted((then - there).elements())])[:600])


class Ctl:
    """Commands to one engine."""

    def __init__(self, path, patience):
        self.path, self.patience = path, patience

    def __call__(self, *words):
        try:
            p = subprocess.run([self.path, *words], stdin=subprocess.DEVNULL, capture_output=True,
                               timeout=self.patience, check=False)
        except subprocess.TimeoutExpired:
            raise Wrong(f"ctl {' '.join(words)}: no answer in {self.patience} s") from None
        return p.returncode, p.stdout.decode(errors="replace").strip(), p.stderr.decode(errors="replace").strip()

    def said(self, want, *words):
        """Whether it did what is right; if not it says why in one sentence."""
        code, _, err = self(*words)
        if code == want:
            return True
        lines = [line for line in err.splitlines() if line.strip()]
        if code == 0 or len(lines) != 1:
            raise Wrong(f"ctl {' '.join(words)}: exit {code}, {want} is right: {err!r}")
        return False


def cases(counts, each, only=None):
    """(role, call, k, n): the first of n, the last, and some between, `each` in all, of each process's calls of each kind."""
    for (role, name), n in sorted(counts.items()):
        step = max(1, (n - 1) / max(1, each - 1))
        for k in sorted({round(1 + i * step) for i in range(each) if 1 + i * step <= n + 0.5}):
            case = f"{role}/{name}/{k}"
            if not only or case == only or case.startswith(only + "/"):
                yield role, name, k, n


def options(each):
    """What both programs are told."""
    p = argparse.ArgumentParser()
    p.add_argument("--each", type=int, default=each)
    p.add_argument("--only")
    for flag in ("--image", "--bin", "--name", "--dirs", "--log", "--bind", "--leaks"):
        p.add_argument(flag, required=True)
    p.add_argument("launch", nargs="+")
    return p.parse_args()
