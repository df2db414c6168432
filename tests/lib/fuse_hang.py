#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A file system that answers nothing: fuse_hang.py DIR mounts it there until it is ended.

Whoever looks up a name in it waits in the kernel, in state D once a signal has come: no signal ends a wait for a request
that the server has taken (request_wait_answer in fs/fuse/dev.c). When this ends, the wait does.
"""
import ctypes
import os
import signal
import struct
import sys

INIT, GETATTR = 26, 3
ATTR = struct.Struct("=QIIQQQQQQIIIIIIIIII")  # fuse_attr_out


def answer(fd, unique, body):
    os.write(fd, struct.pack("=IiQ", 16 + len(body), 0, unique) + body)


def main():
    where = sys.argv[1]
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if libc.mount(b"hang", where.encode(), b"fuse", 0, options) < 0:
        sys.exit(f"mounting {where}: {os.strerror(ctypes.get_errno())}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        while True:
            request = os.read(fd, 1 << 17)
            _, opcode, unique = struct.unpack_from("=IIQ", request)
            if opcode == INIT:
                answer(fd, unique, struct.pack("=IIIIHHI", 7, 31, 0, 0, 0, 0, 4096) + bytes(40))
            elif opcode == GETATTR:
                answer(fd, unique, ATTR.pack(3600, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0, 0, 0))
            else:
                print("taken", flush=True)
    finally:
        libc.umount2(where.encode(), 2)  # MNT_DETACH


main()
