#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Images in which a place that the engine uses is something else, pushed to a plain registry.

path_images.py kinds REGISTRY HOST     every place as every kind, in repository paths; HOST is a directory of the
                                       host, with "dir" and "file", that links lead to
path_images.py workdirs REGISTRY HOST  working directories, in repository workdirs
path_images.py fakes REGISTRY          a /proc full of files, and other names for the real one, in repository fakes;
                                       $ESCAPE is a program that it holds

Prints a line an image: tag, verdict ("runs" or "refused"), what the refusal says, and where the working directory
is in the end; separated by tabs.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import hostile_images  # noqa: E402
import oci_layout  # noqa: E402

CIRCLE = "a circle of links, or a link in /proc that is not followed"
NO_DIR = "not a directory"

# Where the engine mounts, makes or enters something. Those of the engine's own are replaced, or lie below what is;
# the files of /etc take whatever is no directory. /data is a VOLUME, and the target of flags.
OWN = ("dev", "proc", "sys", "dev/shm", "dev/pts", "run", "data")
FILES = ("etc/hosts", "etc/hostname", "etc/resolv.conf")
DIRS = ("etc", "w")


def links(host, place):
    """(kind, text of the link, whether it can be followed inside)"""
    aim = host + ("/file" if place in FILES else "/dir")
    up = "../" * 12
    yield "abs", aim, True
    yield "rel", up + aim[1:], True
    yield "stage", "/mnt/etc/made" if place in FILES else "/mnt/layers", True
    yield "dangling", "/nowhere/at/all", True
    yield "loop", os.path.basename(place), False
    yield "ring", os.path.basename(place) + ".2", False
    yield "magic-root", "/proc/self/root" + aim, False
    yield "magic-one", "/proc/1/root" + aim, False
    yield "magic-cwd", "/proc/self/cwd/" + up + aim[1:], False
    for number in (3, 5, 8, 12):
        yield "magic-fd%d" % number, "/proc/self/fd/%d" % number, False


def others():
    yield "file", lambda layer, name: layer.file(name, "of the image\n")
    yield "fifo", lambda layer, name: layer.fifo(name)
    yield "null", lambda layer, name: layer.device(name, 1, 3)
    yield "mem", lambda layer, name: layer.device(name, 1, 1)


def layer_at(place):
    layer = oci_layout.Layer()
    if "/" in place:
        layer.dir(os.path.dirname(place))
    return layer


def verdict(place, followed, words):
    if place in OWN or place in FILES or followed:
        return "runs", None
    return "refused", words


def where(text):
    """What a link leads to, inside."""
    return os.path.normpath("/" + text.lstrip("/"))


def make_kinds(address, host):
    registry = hostile_images.Registry(address, "paths")
    below = hostile_images.busybox()

    def push(place, kind, layer, followed, words, cwd="/w"):
        tag = "%s-%s" % (place.replace("/", "-"), kind)
        config = {"WorkingDir": "/w", "Volumes": {"/" + place: {}}}
        hostile_images.push(registry, tag, [below, hostile_images.packed(layer.bytes())], config)
        hostile_images.say(tag, *verdict(place, followed, words), cwd)

    for place in OWN + FILES + DIRS:
        for kind, text, followed in links(host, place):
            layer = layer_at(place).symlink(place, text)
            if kind == "ring":
                layer.symlink(place + ".2", os.path.basename(place))
            push(place, kind, layer, followed, CIRCLE, where(text) if place == "w" else "/w")
        for kind, add in others():
            push(place, kind, add(layer_at(place), place), False, NO_DIR)


def make_workdirs(address, host):
    registry = hostile_images.Registry(address, "workdirs")
    layer = oci_layout.Layer().symlink("fds", "/proc/self/fd").symlink("up", "../" * 12 + host[1:])
    layers = [hostile_images.busybox(), hostile_images.packed(layer.bytes())]
    rows = [("fd%d" % n, ("/fds/%d" if n % 2 else "/proc/self/fd/%d") % n, " in the container: ") for n in range(41)]
    rows += [("magic%d" % n, path, CIRCLE) for n, path in enumerate((
        "/proc/self/cwd", "proc/1/root", "/proc/self/task/1/root/etc", "/fds/7/../../..", "fds/9" + "/.." * 12 + host))]
    rows += [("inside%d" % n, path, None) for n, path in enumerate((
        "/../../.." + host + "/dir", "../.." + host, "/up/dir", "up/../new", "//tmp/./x//y/", "/up/.." + host))]
    rows += [("file", "/bin/busybox", NO_DIR), ("below", "/bin/busybox/x", NO_DIR),
             ("long", "/" + "x" * 256, "file name too long"), ("proc", "/proc/x", "making the directory")]
    for tag, path, words in rows:
        hostile_images.push(registry, tag, layers, {"WorkingDir": path})
        inside = where(path)
        if inside.startswith("/up/"):
            inside = host + inside[3:]
        hostile_images.say(tag, "refused" if words else "runs", words, {
            "up/../new": os.path.dirname(host) + "/new", "/up/.." + host: os.path.dirname(host) + host}.get(path, inside))


def make_fakes(address):
    registry = hostile_images.Registry(address, "fakes")
    layer = oci_layout.Layer()
    for name in ("proc/self/attr/current", "proc/self/attr/exec", "proc/self/oom_score_adj", "proc/self/cgroup",
                 "proc/thread-self/attr/exec", "proc/1/attr/exec", "proc/sys/net/ipv4/ip_forward",
                 "proc/sys/net/ipv4/ping_group_range", "proc/sys/kernel/core_pattern", "proc/sys/kernel/hostname",
                 "proc/kallsyms", "proc/sysrq-trigger"):
        layer.file(name, "fake\n", 0o666)
    layer.symlink("proc/self/ns", "/tmp").symlink("proc/self/fd", "/tmp").symlink("proc/self/exe", "/tmp/exe")
    layer.symlink("p", "/proc").symlink("me", "p/self").symlink("tmp/deep", "../me/../sys")
    with open(os.environ["ESCAPE"], "rb") as f:
        layer.file("escape", f.read(), 0o755)
    hostile_images.push(registry, "latest", [hostile_images.busybox(), hostile_images.packed(layer.bytes())])
    # The three files' way leads over what the engine itself opens, or into /proc.
    for tag, text in (("null", "/dev/null"), ("console", "/dev/console"), ("ptmx", "/dev/pts/ptmx"),
                      ("proc", "/proc/sys/kernel/hostname")):
        layer = oci_layout.Layer().symlink("etc/hosts", text).symlink("etc/hostname", text)
        hostile_images.push(registry, tag, [hostile_images.busybox(), hostile_images.packed(layer.bytes())])


def main():
    {"kinds": make_kinds, "workdirs": make_workdirs, "fakes": make_fakes}[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
