#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A service manager in small: manager.py SOCKET TOLD CMD...

Listens on SOCKET (SOCK_SEQPACKET) for good, hands it in to CMD as sd_listen_fds(3) has it, and writes
to the file TOLD what CMD tells as sd_notify(3) has it, a line each. SIGHUP restarts CMD by SIGUSR1, as
systemd does with RestartKillSignal=; SIGTERM ends it, and then the manager, with CMD's exit code.
"""
import os
import signal
import socket
import sys


def start(listener, notify, command):
    pid = os.fork()
    if pid:
        return pid
    os.dup2(listener.fileno(), 3)
    os.set_inheritable(3, True)
    env = dict(os.environ, LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), NOTIFY_SOCKET=notify,
               WATCHDOG_USEC="2000000")
    os.execvpe(command[0], command, env)


def hear(ear, out):
    """Whether it has told something."""
    try:
        print(*ear.recv(4096).decode().split("\n"), file=out)
        return True
    except TimeoutError:
        return False


def main():
    path, told, *command = sys.argv[1:]
    notify = told + ".sock"
    os.makedirs(os.path.dirname(path), mode=0o711, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(16)
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind(notify)
    ear.settimeout(0.1)
    asked = []
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda n, _: asked.append(n))
    pid, ending = start(listener, notify, command), False
    with open(told, "a", buffering=1) as out:
        while True:
            hear(ear, out)
            while asked:
                ending = asked.pop(0) == signal.SIGTERM
                os.kill(pid, signal.SIGTERM if ending else signal.SIGUSR1)
            gone, status = os.waitpid(pid, os.WNOHANG)
            if gone:
                while hear(ear, out):
                    pass
                code = os.waitstatus_to_exitcode(status)
                print("ENDED=%d" % code, file=out)
                if ending or code:
                    break
                pid = start(listener, notify, command)
    os.unlink(notify)
    sys.exit(code)


main()
