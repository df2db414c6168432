# SPDX-License-Identifier: MIT
"""What the host holds of one engine, by the kernel's own word and not the engine's."""
import glob
import http.client
import json
import os
import re
import subprocess
import sys

LEAKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "leaks.py")
# What an engine takes anew each time that it starts.
CHOSEN = re.compile(r"\bfd[0-9a-f]{2}:[0-9a-f:]+|\b172\.[0-9]+\.[0-9]+\.[0-9]+|\bfe80::[0-9a-f:]+|(?<=--gid )[0-9]+")
MEMORY_FILES = ("memory.limit_in_bytes", "memory.max")


def run(*command, env=None):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env, check=True).stdout.decode()


def links(engine):
    """Ends of veth pairs: the first ten digits of whose they are."""
    rows = json.loads(run("ip", "-j", "link", "show", "type", "veth") or "[]")
    return {row["ifname"][2:12] for row in rows if row.get("ifalias", "").startswith(f"bulkhead:{engine}:")}


def link_of(ident):
    """The host's end."""
    return "bh" + ident[:10]


def cgroups(engine):
    """{hierarchy: ids}"""
    found = {}
    for top in glob.glob(f"/sys/fs/cgroup/{engine}") + glob.glob(f"/sys/fs/cgroup/*/{engine}"):
        found[top] = {name for name in os.listdir(top) if len(name) == 64}
    return found


def limits_hugetlb_alone(top):
    """Of a hierarchy: containers that ask for no such limit are not in it."""
    try:
        with open(top + "/cgroup.controllers", encoding="ascii") as f:
            return set(f.read().split()) <= {"hugetlb"}
    except FileNotFoundError:  # v1's have its controllers in their names
        return os.path.basename(os.path.dirname(top)) == "hugetlb"


def memory_limit(engine, ident):
    for name in MEMORY_FILES:
        for path in glob.glob(f"/sys/fs/cgroup/{engine}/{ident}/{name}") + \
                glob.glob(f"/sys/fs/cgroup/*/{engine}/{ident}/{name}"):
            with open(path, encoding="ascii") as f:
                return f.read().strip()
    return None


def directories(path):
    try:
        return {name for name in os.listdir(path) if len(name) == 64}
    except FileNotFoundError:
        return set()


def inner_ids(pid):
    """The first uid that a process's own namespace has; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/uid_map", encoding="ascii") as f:
            return f.read().split()[1]
    except (OSError, IndexError):
        return None


def says(port):
    """What a published port answers; None when nobody does."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        c.request("GET", "/name")
        return c.getresponse().read().decode().strip()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        c.close()


def picture(engine, launcher, dirs):
    """All that an idle engine without containers has, down to its descriptors, a line each."""
    env = {"LEAKS_SCOPE": engine, "LEAKS_ENGINE": str(launcher), "LEAKS_DIRS": " ".join(dirs), "PATH": os.environ["PATH"]}
    return sorted(CHOSEN.sub("...", line) for line in run(sys.executable, "-IS", LEAKS, env=env).splitlines())
