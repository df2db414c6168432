#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# Makes a live process that waits in a system call make another one: inject.py PID NUMBER. The
# process is stopped behind its `syscall` instruction; it is sent back onto it with another number.
import ctypes
import os
import sys

ATTACH, DETACH, GETREGS, SETREGS = 16, 17, 12, 13
RAX, ORIG_RAX, RIP = 10, 15, 16  # of struct user_regs_struct

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(what, pid, data=None):
    if libc.ptrace(what, pid, None, data) < 0:
        sys.exit("ptrace %d of %d: %s" % (what, pid, os.strerror(ctypes.get_errno())))


def main():
    pid, number = int(sys.argv[1]), int(sys.argv[2])
    regs = (ctypes.c_ulonglong * 27)()
    ptrace(ATTACH, pid)
    os.waitpid(pid, 0x40000000)  # __WALL
    ptrace(GETREGS, pid, regs)
    regs[ORIG_RAX] = 2**64 - 1  # nothing to be restarted
    regs[RAX] = number
    regs[RIP] -= 2
    ptrace(SETREGS, pid, regs)
    ptrace(DETACH, pid)


main()
