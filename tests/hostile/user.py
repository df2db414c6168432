#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a hostile member of the engine's group tries. Run as that user; prints what came of it, name=value.

    user.py connections SOCKET N     opens N connections and holds them until stdin ends
    user.py descriptors SOCKET N     N frames with as many descriptors as the kernel lets through
    user.py spec SOCKET MEGABYTES    container_create with options of that size
    user.py requests SOCKET N        N requests, read in time
    user.py unread SOCKET N          N requests, no answer ever read
    user.py waits SOCKET N ID        N requests that wait for the end of a container
    user.py creations SOCKET N       N creations at once, of 64 descriptors each
    user.py log SOCKET ID            writes, renames and removes through the descriptor that `logs` gives; prints what succeeds
    user.py pry PID...               signals, ptrace, pidfd_getfd and /proc of processes: prints what succeeds
"""
import array
import ctypes
import errno
import fcntl
import os
import resource
import select
import socket
import struct
import sys

FAILED, VERSION, CREATE, WAIT, LIST, LOGS = 1, 160, 164, 168, 174, 182
SEALS = 0x1 | 0x2 | 0x4 | 0x8
SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 434, 438
PTRACE_SEIZE, PTRACE_ATTACH = 0x4206, 16


def frame(number, ident, fields=b"\x80"):
    return b"\x93\xce" + struct.pack(">I", number) + b"\xce" + struct.pack(">I", ident) + fields


def connect(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(path)
    return s


def send(s, data, fds=()):
    control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    s.sendmsg([data], control, socket.MSG_NOSIGNAL)


def kind(data):
    return struct.unpack(">I", data[2:6])[0] if len(data) > 6 else 0


def receive(s, seconds=30):
    """One frame; b"" when the engine has hung up."""
    s.settimeout(seconds)
    try:
        return s.recv(65536)
    except (ConnectionResetError, BrokenPipeError):
        return b""


def text_of(data):
    """The sentence of a failure."""
    at = data.find(b"text") + 4
    size = {0xd9: 1, 0xda: 2}.get(data[at], 0)
    n = int.from_bytes(data[at + 1:at + 1 + size], "big") if size else data[at] & 31
    return data[at + 1 + size:at + 1 + size + n].decode()


def memfd(size, content=b""):
    fd = os.memfd_create("options", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.write(fd, content)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, 1033, SEALS)
    return fd


def connections(path, n):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    held, refused, said = [], 0, ""
    for _ in range(int(n)):
        s = connect(path)
        s.setblocking(False)
        held.append(s)
    stayed = 0
    for s in held:
        # A refused connection has been told why, or is just closed; one that stays is silent.
        if poll(s):
            said = text_of(receive(s)) or said
            refused += 1
        else:
            stayed += 1
    print(f"stayed={stayed} refused={refused} said={said}", flush=True)
    sys.stdin.read()


def poll(s):
    p = select.poll()
    p.register(s, select.POLLIN)
    return p.poll(0)


def descriptors(path, n):
    null = os.open("/dev/null", os.O_RDONLY)
    dropped = 0
    for _ in range(int(n)):
        s = connect(path)
        try:
            send(s, frame(VERSION, 1), [null] * 253)
            dropped += receive(s) == b""
        except OSError:
            dropped += 1
        s.close()
    print(f"dropped={dropped}")


def spec(path, megabytes):
    s = connect(path)
    send(s, frame(CREATE, 1, b"\x81\xa7options\x00"), [memfd(int(megabytes) << 20)])
    answer = receive(s)
    print(f"failed={kind(answer) == FAILED} said={text_of(answer)}")


def requests(path, n):
    s = connect(path)
    answered = 0
    for i in range(int(n)):
        send(s, frame(VERSION, i + 1))
        if i % 32 == 31:
            for _ in range(32):
                answered += kind(receive(s)) == VERSION + 1
    print(f"answered={answered}")


def unread(path, n):
    s = connect(path)
    sent = 0
    s.settimeout(8)
    try:
        for i in range(int(n)):
            send(s, frame(LIST, i + 1, b"\x81\xa3all\xc3"))
            sent += 1
        print(f"dropped=False sent={sent}")
    except TimeoutError:
        print(f"held_back={sent < 5000}")
    except OSError as e:
        print(f"dropped={e.errno in (errno.EPIPE, errno.ECONNRESET)}")


def pack_str(s):
    return b"\xd9" + bytes([len(s)]) + s


def waits(path, n, container):
    s = connect(path)
    said = []
    for i in range(int(n)):
        send(s, frame(WAIT, i + 1, b"\x81\xa3ref" + pack_str(container.encode())))
    try:
        while True:
            said.append(text_of(receive(s, 10)))
    except TimeoutError:
        pass
    print(f"refused={len(said)} said={' | '.join(sorted(set(said)))}")


def creations(path, n):
    """All of them wait for the image's description at the same time."""
    mount = lambda i: (b"\x83" + pack_str(b"kind") + pack_str(b"bind") + pack_str(b"target") + pack_str(b"/m%d" % i) +
                       pack_str(b"source") + pack_str(b"/"))
    options = (b"\x82" + pack_str(b"image") + pack_str(b"no/such:image") + pack_str(b"mounts") + b"\xdc\x00\x40" +
               b"".join(mount(i) for i in range(64)))
    # The kernel lets a user have so many on their way (ETOOMANYREFS); a login's usual 1,024 are few.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    root = os.open("/", os.O_PATH)
    body = b"\x82\xa7options\x00\xa7sources\xdc\x00\x40" + bytes(range(1, 65))
    s = connect(path)
    said = set()
    for i in range(int(n)):
        send(s, frame(CREATE, i + 1, body), [memfd(len(options), options)] + [root] * 64)
        if i % 48 == 47:
            said |= {text_of(receive(s)) for _ in range(48)}
    print(f"said={' | '.join(sorted(said))}")


def log(path, container):
    s = connect(path)
    send(s, frame(LOGS, 1, b"\x81\xa3ref" + pack_str(container.encode())))
    _, fds, _, _ = socket.recv_fds(s, 65536, 4)
    tries = {
        "create": lambda d: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=d),
        "write": lambda d: os.open("log", os.O_WRONLY, dir_fd=d),
        "truncate": lambda d: os.truncate(f"/proc/self/fd/{d}/log", 0),
        "mkdir": lambda d: os.mkdir("x", dir_fd=d),
        "symlink": lambda d: os.symlink("/etc/shadow", "x", dir_fd=d),
        "rename": lambda d: os.rename("log", "x", src_dir_fd=d, dst_dir_fd=d),
        "unlink": lambda d: os.unlink("log", dir_fd=d),
        "chmod": lambda d: os.fchmod(d, 0o777),
        "up": lambda d: os.open("../state", os.O_RDONLY, dir_fd=d),
        "list-up": lambda d: os.open("..", os.O_RDONLY, dir_fd=d),
    }
    print(f"files={' '.join(sorted(os.listdir(fds[0])))}", end=" ")
    got = []
    for name, attempt in tries.items():
        try:
            attempt(fds[0])
            got.append(name)
        except OSError:
            pass
    print(f"got={' '.join(got)}")


def pry(*pids):
    libc = ctypes.CDLL(None, use_errno=True)
    got = []
    for pid in map(int, pids):
        for what in ("environ", "mem", "maps", "stack", "syscall", "auxv"):
            try:
                with open(f"/proc/{pid}/{what}", "rb") as f:
                    got.append(f"{pid}/{what}:{len(f.read(1))}") if f.read(1) else None
            except OSError:
                pass
        for what in ("fd", "map_files"):
            try:
                got.append(f"{pid}/{what}:{len(os.listdir(f'/proc/{pid}/{what}'))}")
            except OSError:
                pass
        for what in ("exe", "root", "cwd", "ns/mnt", "ns/user", "ns/net"):
            try:
                got.append(f"{pid}/{what}:{os.readlink(f'/proc/{pid}/{what}')}")
            except OSError:
                pass
        for sig in (0, 9, 15, 18, 19):
            try:
                os.kill(pid, sig)
                got.append(f"{pid}/signal:{sig}")
            except OSError:
                pass
        for request in (PTRACE_SEIZE, PTRACE_ATTACH):
            if libc.ptrace(request, pid, None, None) == 0:
                got.append(f"{pid}/ptrace")
        pidfd = libc.syscall(SYS_PIDFD_OPEN, pid, 0)
        for fd in range(12):
            if pidfd >= 0 and libc.syscall(SYS_PIDFD_GETFD, pidfd, fd, 0) >= 0:
                got.append(f"{pid}/fd/{fd}")
    print(f"tried={len(pids)} got={' '.join(got)}")


if __name__ == "__main__":
    {f.__name__: f for f in (connections, descriptors, spec, requests, unread, waits, creations, log, pry)}[sys.argv[1]](
        *sys.argv[2:])
