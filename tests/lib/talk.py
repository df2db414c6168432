#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Connections that must not break.

  talk.py echo ADDRESS PORT           answers every byte on any number of connections
  talk.py talk ADDRESS PORT           one connection, a word and its echo ten times a second; prints how often it
                                      has gone to and fro; ends with "broken" when it does

A pause is no break: TCP sends again, the later the longer nobody has answered. Who waits says for how long."""
import socket
import sys
import threading
import time

PATIENCE = 900  # seconds for one word


def echo(address, port):
    def serve(c):
        while data := c.recv(4096):
            c.sendall(data)

    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, int(port)))
    s.listen(16)
    print("listening", flush=True)
    while True:
        threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()


def talk(address, port):
    s = socket.create_connection((address, int(port)), 10)
    s.settimeout(PATIENCE)
    n = 0
    while True:
        try:
            s.sendall(b"word")
            got = s.recv(4)
        except OSError as e:
            got = str(e)
        if got != b"word":
            print("broken", got, flush=True)
            return 1
        n += 1
        print(n, flush=True)
        time.sleep(0.1)


sys.exit({"echo": echo, "talk": talk}[sys.argv[1]](*sys.argv[2:]))
