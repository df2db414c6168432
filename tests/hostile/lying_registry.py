#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fault_registry.py with more lies: about what a document is, what it holds and how large it is."""
import gzip
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import fault_registry  # noqa: E402

CONFIG = "application/vnd.oci.image.config.v1+json"
MIB = 1 << 20


def layer(key, value):
    """Changes one field of the first layer's descriptor."""
    def edit(manifest, _keep):
        manifest["layers"][0][key] = value(manifest["layers"][0][key])
    return edit


def field(key, value):
    def edit(manifest, _keep):
        manifest[key] = value
    return edit


def config(make):
    """Serves make(config) in place of the config, with the digest and size that it has."""
    def edit(manifest, keep):
        data = make()
        manifest["config"].update(digest=keep(data), size=len(data))
    return edit


def config_of(more=None, **settings):
    def make():
        return json.dumps(dict({"architecture": "amd64", "os": "linux", "config": settings,
                                "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}},
                               **(more or {}))).encode()
    return config(make)


def config_small_word(manifest, keep):
    """Says 1000 bytes, sends 100 MiB."""
    manifest["config"].update(digest=keep(b" " * 100 * MIB), size=1000)


EDITS = {
    "digest-upper": layer("digest", lambda d: d[:7] + d[7:].upper()),
    "digest-short": layer("digest", lambda d: d[:-1]),
    "digest-long": layer("digest", lambda d: d + "0"),
    "digest-space": layer("digest", lambda d: " " + d),
    "digest-newline": layer("digest", lambda d: d + "\n"),
    "digest-nul": layer("digest", lambda d: d + "\0"),
    "digest-sha512": layer("digest", lambda d: "sha512:" + d[7:] * 2),
    "digest-md5": layer("digest", lambda d: "md5:" + d[7:39]),
    "digest-path": layer("digest", lambda d: "sha256:" + "../" * 21 + "x"),
    "digest-number": layer("digest", lambda d: 7),
    "digest-none": layer("digest", lambda d: None),
    "size-negative": layer("size", lambda n: -1),
    "size-float": layer("size", lambda n: n + 0.5),
    "size-text": layer("size", lambda n: str(n)),
    "size-zero": layer("size", lambda n: 0),
    "size-small": layer("size", lambda n: 1000),
    "layer-type": layer("mediaType", lambda t: "application/x-shellscript"),
    "layer-is-config": layer("mediaType", lambda t: CONFIG),
    "layer-foreign": layer("mediaType", lambda t: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
    "layer-text": field("layers", "all of them"),
    "layer-numbers": field("layers", [1, 2, 3]),
    "no-layers": field("layers", []),
    "schema-1": field("schemaVersion", 1),
    "schema-text": field("schemaVersion", "2"),
    "config-missing": field("config", None),
    "config-type": lambda m, keep: m["config"].update(mediaType="application/vnd.cncf.helm.config.v1+json"),
    "config-list": config(lambda: b"[1, 2, 3]"),
    "config-text": config(lambda: b'"a string"'),
    "config-elf": config(lambda: open("/bin/true", "rb").read()),
    "config-deep": config(lambda: b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}"),
    "config-values": config(lambda: b'{"a":[' + b"0," * 1000000 + b"0]}"),
    "config-twice": config(lambda: b'{"os":"linux","os":"linux","architecture":"amd64"}'),
    "config-nul": config_of(Cmd=["a\0b"]),
    "config-100m": config(lambda: b'{"a":"' + b"x" * 100 * MIB + b'"}'),
    "config-100m-hidden": config_small_word,
    "config-env-number": config_of(Env=[1]),
    "config-env-object": config_of(Env={"A": "b"}),
    "config-env-name": config_of(Env=["=x"]),
    "config-cmd-text": config_of(Cmd="sh -c true"),
    "config-user-number": config_of(User=0),
    "config-labels-list": config_of(Labels=["a"]),
    "config-volumes-text": config_of(Volumes={"/data": "/etc"}),
    "config-many-env": config_of(Env=["A%d=b" % i for i in range(5000)]),
    "config-long-env": config_of(Env=["A=" + "x" * 200000]),
    "config-platform": config_of({"os": "plan9"}),
    "config-no-platform": config_of({"os": 9}),
    "config-diff-ids": config_of({"rootfs": {"type": "layers", "diff_ids": []}}),
    "config-diff-many": config_of({"rootfs": {"diff_ids": ["sha256:" + "0" * 64] * 10000}}),
    "config-diff-path": config_of({"rootfs": {"diff_ids": ["../../../etc/passwd"]}}),
    "config-rootfs": config_of({"rootfs": "/"}),
}


class Liar(fault_registry.Registry):
    def manifest(self, fault, real, reference):
        edit = EDITS.get(fault)
        if edit is None:
            super().manifest(fault, real, reference)
            return
        state = self.server.state
        status, _, data = state.upstream(real, {"Accept": fault_registry.MANIFEST})
        document = json.loads(data)
        edit(document, state.keep)
        self.made(document)

    def spoil_manifest_bomb(self, data, headers):
        """4 GiB of blanks, packed; nobody asked for an encoding."""
        body = gzip.compress(b" " * (64 * MIB), 9, mtime=0) * 64
        self.reply(200, body, {"Content-Type": fault_registry.MANIFEST, "Content-Encoding": "gzip"})

    def spoil_manifest_endless(self, data, headers):
        """No length, and no end."""
        self.send_response(200)
        self.send_header("Content-Type", fault_registry.MANIFEST)
        self.send_header("Connection", "close")
        self.end_headers()
        while True:
            self.wfile.write(b" " * MIB)

    def spoil_header_flood(self, data, headers):
        self.reply(200, data, dict(("X-%d" % i, "x" * 8000) for i in range(1000)))

    def spoil_redirect_credentials(self, data, headers):
        self.reply(307, b"", {"Location": "http://%s@%s%s" % (
            "root:root", self.server.state.elsewhere["host"], self.path)})


def main():
    fault_registry.FAULTS.update((name, "") for name in EDITS)
    fault_registry.FAULTS.update({name[6:].replace("_", "-"): "" for name in dir(Liar)
                                  if name.startswith("spoil_")})
    fault_registry.Registry = Liar
    fault_registry.main()


if __name__ == "__main__":
    main()
