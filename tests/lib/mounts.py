#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Starts a command with mounts at given descriptors, as imaged would hand them over.

    mounts.py --base BASE [--layer FD=DIR]... [--open FD=FILE]... -- COMMAND...

--layer: a detached, read-only clone of DIR, mapped so that the owner 0 on disk is BASE and so on for 65536 ids.
--tree: likewise, writable.    --plain: a detached clone that is not mapped.    --open: a file or directory
itself, for reading.    --write: a file for writing.    --sealed: a sealed memfd of the file's bytes.
"""
import argparse
import ctypes
import fcntl
import os
import struct
import sys

SYS_OPEN_TREE, SYS_MOUNT_SETATTR = 428, 442
OPEN_TREE_CLONE, AT_RECURSIVE, AT_EMPTY_PATH = 1, 0x8000, 0x1000
ATTR_RDONLY, ATTR_NODEV, ATTR_IDMAP = 1, 4, 0x100000
CLONE_NEWUSER = 0x10000000
libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def user_namespace(base):
    """A namespace with the container's map; any with the same numbers will do."""
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        check(libc.unshare(CLONE_NEWUSER), "unshare")
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{pid}/{name}", "w") as f:
            f.write(f"0 {base} 65536")
    fd = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    os.write(go[1], b"x")
    os.waitpid(pid, 0)
    return fd


def clone(path, attrs, userns):
    fd = check(libc.syscall(SYS_OPEN_TREE, -100, path.encode(), OPEN_TREE_CLONE), f"open_tree {path}")
    if userns >= 0:
        attrs |= ATTR_IDMAP
    if attrs:
        attr = struct.pack("QQQQ", attrs, 0, 0, userns if userns >= 0 else 0)
        check(libc.syscall(SYS_MOUNT_SETATTR, fd, b"", AT_EMPTY_PATH, attr, len(attr)), f"mount_setattr {path}")
    return fd


def sealed(path):
    fd = os.memfd_create("sealed", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(path, "rb") as f:
        os.write(fd, f.read())
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--base", type=int, required=True)
    for kind in ("layer", "tree", "plain", "open", "write", "sealed"):
        p.add_argument(f"--{kind}", action="append", default=[])
    p.add_argument("command", nargs=argparse.REMAINDER)
    a = p.parse_args()
    userns = user_namespace(a.base)
    todo = []
    for kind, items in (("layer", a.layer), ("tree", a.tree), ("plain", a.plain), ("open", a.open),
                        ("write", a.write), ("sealed", a.sealed)):
        for item in items:
            fd, path = item.split("=", 1)
            if kind == "sealed":
                got = sealed(path)
            elif kind in ("open", "write"):
                got = os.open(path, os.O_RDONLY if kind == "open" else os.O_WRONLY)
            else:
                got = clone(path, ATTR_RDONLY | ATTR_NODEV if kind == "layer" else 0,
                            -1 if kind == "plain" else userns)
            todo.append((got, int(fd)))
    # First out of the way, then into place.
    moved = [(os.dup2(got, 200 + i, inheritable=False), fd) for i, (got, fd) in enumerate(todo)]
    for got, fd in moved:
        os.dup2(got, fd, inheritable=True)
    command = a.command[1:] if a.command[:1] == ["--"] else a.command
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(main())
