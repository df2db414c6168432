#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes the small fixture images as OCI layouts, byte for byte the same every time.

oci_layout.py KIND DIR, KIND one of busybox, config, health, whiteouts, zstd, twoplat, escape; the last takes the
program that it holds from $ESCAPE, and a file of the host's to aim at from $ESCAPE_TARGET.
"""
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile

EPOCH = 1700000000
CREATED = "2023-11-14T22:13:20Z"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BUSYBOX = "/bin/busybox"


class Layer:
    """One tar, built in memory, entries in the order given."""

    def __init__(self):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, kind, mode, data=None, link="", owner=(0, 0), xattrs=None, device=(0, 0)):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.linkname = kind, mode, link
        info.uid, info.gid = owner
        info.devmajor, info.devminor = device
        info.mtime = EPOCH
        for key, value in (xattrs or {}).items():
            info.pax_headers["SCHILY.xattr." + key] = value
        info.size = len(data) if data is not None else 0
        self.tar.addfile(info, io.BytesIO(data) if data is not None else None)
        return self

    def dir(self, name, mode=0o755, **more):
        return self.add(name + "/", tarfile.DIRTYPE, mode, **more)

    def file(self, name, data, mode=0o644, **more):
        return self.add(name, tarfile.REGTYPE, mode,
                        data.encode() if isinstance(data, str) else data, **more)

    def symlink(self, name, target):
        return self.add(name, tarfile.SYMTYPE, 0o777, link=target)

    def hardlink(self, name, target):
        return self.add(name, tarfile.LNKTYPE, 0o755, link=target)

    def fifo(self, name):
        return self.add(name, tarfile.FIFOTYPE, 0o644)

    def device(self, name, major, minor):
        return self.add(name, tarfile.CHRTYPE, 0o666, device=(major, minor))

    def whiteout(self, name):
        head, _, tail = name.rpartition("/")
        return self.file((head + "/" if head else "") + ".wh." + tail, "", 0o600)

    def opaque(self, name):
        return self.file(name + "/.wh..wh..opq", "", 0o600)

    def bytes(self):
        self.tar.close()
        return self.buffer.getvalue()


def compress(data, kind):
    if kind == "gzip":
        return gzip.compress(data, 6, mtime=0)
    return subprocess.run(["zstd", "-q", "-3", "-c", "--no-progress"], input=data,
                          stdout=subprocess.PIPE, check=True).stdout


class Layout:
    def __init__(self, path):
        self.path = path
        os.makedirs(os.path.join(path, "blobs/sha256"))
        self.write("oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())

    def write(self, name, data):
        with open(os.path.join(self.path, name), "wb") as f:
            f.write(data)

    def blob(self, data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        self.write("blobs/sha256/" + digest, data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    def image(self, layers, config=None, arch="amd64", compression="gzip"):
        tars = [layer.bytes() for layer in layers]
        document = {
            "created": CREATED, "architecture": arch, "os": "linux",
            "config": dict({"Env": [PATH]}, **(config or {})),
            "rootfs": {"type": "layers", "diff_ids": [
                "sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]},
            "history": [{"created": CREATED, "created_by": "bulkhead fixture"} for _ in tars],
        }
        manifest = {
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": self.blob(json.dumps(document).encode(), CONFIG),
            "layers": [self.blob(compress(tar, compression), LAYER + compression)
                       for tar in tars],
        }
        return self.blob(json.dumps(manifest).encode(), MANIFEST)

    def index(self, descriptors):
        return self.blob(json.dumps({"schemaVersion": 2, "mediaType": INDEX,
                                     "manifests": descriptors}).encode(), INDEX)

    def tag(self, descriptor, name):
        entry = dict(descriptor, annotations={"org.opencontainers.image.ref.name": name})
        self.write("index.json", json.dumps({"schemaVersion": 2, "mediaType": INDEX,
                                             "manifests": [entry]}).encode())


def busybox_layer():
    """busybox-static with a hard link for each applet, as the official image has them."""
    layer = Layer()
    for name, mode in (("bin", 0o755), ("dev", 0o755), ("etc", 0o755), ("home", 0o755),
                       ("proc", 0o755), ("root", 0o700), ("sbin", 0o755), ("sys", 0o755),
                       ("tmp", 0o1777), ("usr", 0o755), ("usr/bin", 0o755),
                       ("usr/sbin", 0o755), ("var", 0o755), ("var/www", 0o755)):
        layer.dir(name, mode)
    with open(BUSYBOX, "rb") as f:
        layer.file("bin/busybox", f.read(), 0o755)
    applets = subprocess.run([BUSYBOX, "--list-full"], stdout=subprocess.PIPE, check=True)
    for path in sorted(set(applets.stdout.decode().split())):
        if path != "bin/busybox" and os.path.dirname(path) in ("bin", "sbin", "usr/bin", "usr/sbin"):
            layer.hardlink(path, "bin/busybox")
    layer.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
               "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
               "nobody:x:65534:65534:nobody:/home:/bin/false\n")
    layer.file("etc/group", "root:x:0:\ndaemon:x:1:\nusers:x:100:\nnogroup:x:65534:\n")
    layer.file("etc/shadow", "root:*:::::::\n", 0o640)
    layer.file("etc/nsswitch.conf", "hosts: files dns\n")
    layer.file("var/www/index.html", "hello from a container\n")
    return layer


def make_busybox(layout):
    layout.tag(layout.image([busybox_layer()], {"Cmd": ["sh"]}), "latest")


def make_config(layout):
    """Every field of an image config that a container is made from."""
    extra = Layer()
    extra.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
               "app:x:1234:2345:application:/home/app:/bin/sh\n")
    extra.file("etc/group", "root:x:0:\napp:x:2345:\naudio:x:29:app\nvideo:x:44:\n")
    extra.dir("home/app", 0o750, owner=(1234, 2345))
    extra.dir("srv", 0o755)
    extra.dir("srv/work", 0o755, owner=(1234, 2345))
    extra.file("srv/entry", "#!/bin/sh\necho \"entry: $*\"\nexec \"$@\"\n", 0o755)
    extra.dir("data", 0o755, owner=(1234, 2345))
    extra.file("data/seed", "from the image\n", owner=(1234, 2345))
    layout.tag(layout.image([busybox_layer(), extra], {
        "User": "app", "WorkingDir": "/srv/work",
        "Entrypoint": ["/srv/entry"], "Cmd": ["echo", "default", "words"],
        "Env": [PATH, "COLOUR=sea green", "EMPTY=", "EQUALS=a=b"],
        "StopSignal": "SIGUSR1",
        "ExposedPorts": {"8080/tcp": {}, "5353/udp": {}},
        "Volumes": {"/data": {}},
        "Labels": {"org.bulkhead.fixture": "config", "spaced label": "a b"},
    }), "latest")


def make_health(layout):
    """Ill until there is a file."""
    layout.tag(layout.image([busybox_layer()], {
        "Cmd": ["sleep", "300"],
        "Healthcheck": {"Test": ["CMD", "test", "-e", "/well"], "Interval": 200_000_000, "Retries": 2},
    }), "latest")


def make_whiteouts(layout):
    """Three layers: files removed, directories made opaque, types changed, hard things kept."""
    one = busybox_layer()
    one.dir("w")
    for name in ("gone", "opaque", "opaque/deep", "replaced", "kept", "dir-to-file",
                 "dir-to-link", "back", "reborn", "n" * 200):
        one.dir("w/" + name)
    one.file("w/gone/a", "a\n").file("w/gone/b", "b\n")
    one.file("w/opaque/old", "old\n").file("w/opaque/deep/old", "old\n")
    one.file("w/replaced/x", "one\n").file("w/kept/x", "kept\n", 0o4755)
    one.file("w/dir-to-file/x", "x\n").file("w/dir-to-link/x", "x\n")
    one.file("w/file-to-dir", "file\n").file("w/file-to-link", "file\n")
    one.symlink("w/link-to-file", "kept/x").symlink("w/link-to-dir", "kept")
    one.file("w/hard-1", "hard\n", 0o644).hardlink("w/hard-2", "w/hard-1")
    one.file("w/back/x", "first\n").file("w/reborn/old", "old\n")
    one.file("w/" + "n" * 200 + "/" + "m" * 200, "long name\n")
    one.file("w/owned", "owned\n", 0o2751, owner=(1000, 2000))
    one.file("w/attr", "attr\n", xattrs={"user.bulkhead": "from layer one"})
    one.fifo("w/fifo")
    one.device("w/null", 1, 3)
    two = Layer()
    two.dir("w")
    two.whiteout("w/gone/a")
    two.dir("w/opaque").opaque("w/opaque").file("w/opaque/new", "new\n")
    two.file("w/replaced/x", "two\n")
    two.whiteout("w/dir-to-file").file("w/dir-to-file", "now a file\n")
    two.symlink("w/dir-to-link", "kept")
    two.whiteout("w/file-to-dir").dir("w/file-to-dir").file("w/file-to-dir/y", "y\n")
    two.symlink("w/file-to-link", "kept/x")
    two.whiteout("w/link-to-file").file("w/link-to-file", "now a file\n")
    two.dir("w/link-to-dir").file("w/link-to-dir/z", "z\n")
    two.whiteout("w/hard-1")
    two.whiteout("w/back")
    two.whiteout("w/reborn").dir("w/reborn").file("w/reborn/new", "new\n")
    three = Layer()
    three.dir("w")
    three.whiteout("w/gone")
    three.dir("w/opaque").file("w/opaque/newest", "newest\n")
    three.file("w/replaced/x", "three\n", 0o600)
    three.dir("w/back").file("w/back/y", "again\n")
    three.file("w/.hidden", "dot\n")
    layout.tag(layout.image([one, two, three], {"Cmd": ["sh"]}), "latest")


def make_zstd(layout):
    extra = Layer()
    extra.dir("srv").file("srv/zstd", "squeezed by zstd\n" * 4096)
    layout.tag(layout.image([busybox_layer(), extra], {"Cmd": ["sh"]}, compression="zstd"),
               "latest")


def make_twoplat(layout):
    """arm64 first: whoever takes the first entry gets a program that can't run."""
    manifests = []
    for arch, more in (("arm64", {"variant": "v8"}), ("amd64", {})):
        extra = Layer()
        extra.file("platform", arch + "\n")
        layers = [busybox_layer(), extra] if arch == "amd64" else [extra]
        manifests.append(dict(layout.image(layers, {"Cmd": ["cat", "/platform"]}, arch),
                              platform=dict({"os": "linux", "architecture": arch}, **more)))
    layout.tag(layout.index(manifests), "latest")


def make_escape(layout):
    """The program that tries to get out, and what an attacker would put beside it."""
    extra = Layer()
    with open(os.environ["ESCAPE"], "rb") as f:
        program = f.read()
    extra.file("escape", program, 0o755).file("escape-suid", program, 0o4755)
    extra.file("escape-script", "#!/proc/self/exe\n", 0o755)
    extra.dir("escape-dev")
    for kind, name, major, minor in (
            ("b", "sda", 8, 0), ("b", "vda", 254, 0), ("b", "loop0", 7, 0), ("c", "mem", 1, 1), ("c", "kmem", 1, 2),
            ("c", "kmsg", 1, 11), ("c", "null", 1, 3), ("c", "console", 5, 1), ("c", "tty0", 4, 0),
            ("c", "tun", 10, 200), ("c", "fuse", 10, 229)):
        extra.add("escape-dev/" + name, tarfile.BLKTYPE if kind == "b" else tarfile.CHRTYPE, 0o666,
                  device=(major, minor))
    # Each leads to a file of the host, for whoever resolves it from the host's root.
    target = os.environ["ESCAPE_TARGET"]
    extra.symlink("etc/resolv.conf", "../" * 12 + target.lstrip("/"))
    extra.symlink("etc/hosts", target).symlink("etc/hostname", "/proc/self/fd/3")
    layout.tag(layout.image([busybox_layer(), extra], {"Cmd": ["/escape"]}), "latest")


def main():
    kind, path = sys.argv[1:]
    globals()["make_" + kind](Layout(path))


if __name__ == "__main__":
    main()
