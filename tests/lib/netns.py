#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Network namespaces for netd's tests, as a container's first process makes them, and what lives in them.

  netns.py hold                   user and network namespace of its own; keeps the netns as fd 8 and a
                                  NETLINK_ROUTE socket opened inside as fd 9; runs until killed
  netns.py hold-net               a network namespace alone (stands for a host)
  netns.py lend PID... -- CMD...  runs CMD with the k-th PID's fds as 10+2k (netns) and 11+2k (rtnl)
  netns.py crowd N -- CMD...      runs CMD with N namespaces that nothing else holds, as 100+2k and 101+2k: libnftables
                                  aborts where its socket is beyond select(2)'s 1024
  netns.py serve tcp|udp ADDRESS PORT WORD    answers "WORD peer-address" until killed
  netns.py keep-asking ADDRESS PORT           by UDP from one socket, five times a second; prints the answers
  netns.py shout ADDRESS PORT WORD            broadcasts it
  netns.py hear PORT                          prints what comes by UDP, until killed
  netns.py ask tcp|udp ADDRESS PORT           prints the answer; 1 when there is none within three seconds. By TCP the
                                              kernel takes the connection, and the server may need longer to run
"""
import ctypes
import os
import resource
import signal
import socket
import sys
import time

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SYS_pidfd_getfd = 438
libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def hold(flags):
    check(libc.unshare(flags))
    os.dup2(os.open("/proc/self/ns/net", os.O_RDONLY), 8)
    rtnl = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    os.dup2(rtnl.fileno(), 9)
    print("held", flush=True)
    while True:
        signal.pause()


def lend(args):
    split = args.index("--")
    for k, pid in enumerate(args[:split]):
        pidfd = os.pidfd_open(int(pid))
        for theirs, ours in ((8, 10 + 2 * k), (9, 11 + 2 * k)):
            fd = check(libc.syscall(SYS_pidfd_getfd, pidfd, theirs, 0))
            os.dup2(fd, ours, inheritable=True)
            os.close(fd)
    os.execv(args[split + 1], args[split + 1:])


def crowd(args):
    n = int(args[0])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    for k in range(n):
        check(libc.unshare(CLONE_NEWNET))
        netns, rtnl = os.open("/proc/self/ns/net", os.O_RDONLY), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        for mine, theirs in ((netns, 100 + 2 * k), (rtnl.detach(), 101 + 2 * k)):
            fd = check(libc.fcntl(mine, 0, 100 + 2 * n))  # F_DUPFD: out of the way of what comes
            os.close(mine)
            os.dup2(fd, theirs, inheritable=True)
            os.close(fd)
    check(libc.setns(home, CLONE_NEWNET))
    os.execv(args[2], args[2:])


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(kind, address, port, word):
    s = socket.socket(family(address), socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if address == "::":
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind((address, int(port)))
    if kind == "tcp":
        s.listen(16)
    print("serving", flush=True)
    while True:
        if kind == "udp":
            _, peer = s.recvfrom(100)
            s.sendto(f"{word} {peer[0]}\n".encode(), peer)
            continue
        c, peer = s.accept()
        try:
            c.sendall(f"{word} {peer[0]}\n".encode())
        except OSError:
            pass
        c.close()


def ask(kind, address, port):
    s = socket.socket(family(address), socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(3)
    try:
        s.connect((address, int(port)))
        if kind == "udp":
            s.send(b"?")
        else:
            s.settimeout(60)
        answer = s.recv(100).decode()
    except OSError as e:
        print(f"no answer: {e}")
        return 1
    print(answer, end="")
    return 0


def shout(address, port, word):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.sendto(word.encode(), (address, int(port)))


def hear(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", int(port)))
    print("hearing", flush=True)
    while True:
        print(s.recv(100).decode(), flush=True)


def keep_asking(address, port):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.settimeout(0.2)
    s.connect((address, int(port)))
    print("asking", flush=True)
    while True:
        try:
            s.send(b"?")
            print(s.recv(100).decode(), end="", flush=True)
            time.sleep(0.2)
        except OSError:
            pass


def main():
    what, args = sys.argv[1], sys.argv[2:]
    if what == "hold":
        hold(CLONE_NEWUSER | CLONE_NEWNET)
    elif what == "hold-net":
        hold(CLONE_NEWNET)
    elif what == "lend":
        lend(args)
    elif what == "crowd":
        crowd(args)
    elif what == "serve":
        serve(*args)
    elif what == "shout":
        return shout(*args)
    elif what == "hear":
        hear(*args)
    elif what == "keep-asking":
        keep_asking(*args)
    elif what == "ask":
        return ask(*args)
    return 2


sys.exit(main())
