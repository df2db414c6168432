#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A registry that lies: a proxy in front of a real one, with one fault a repository prefix.

ADDR/FAULT/REPOSITORY:TAG asks the upstream for REPOSITORY:TAG and spoils the answer as FAULTS says.
Every request is one JSON line in the log: time, server, method, path, status, whether it carried
credentials. /forget makes every request a first one again. Two further ports, on 127.0.0.1 and on 127.0.0.2, play the host that blobs are
redirected to.
"""
import argparse
import base64
import email.utils
import hashlib
import http.client
import http.server
import json
import threading
import time
import urllib.parse

FAULTS = {
    "good": "nothing is spoilt, Range is not heeded",
    "good-range": "nothing is spoilt, Range is heeded",
    "wrong-digest": "every blob has its last byte flipped",
    "wrong-config": "the image config alone has its last byte flipped",
    "wrong-layer": "every layer has its last byte flipped",
    "wrong-manifest": "a manifest that doesn't have the digest it is asked by or announced with",
    "spoilt-once": "the first answer for each layer has its last byte flipped",
    "spoilt-early": "the first answer for each layer is noise from its second half on",
    "truncated-blob": "the connection ends in the middle of a layer, its full length announced",
    "cut": "a layer of 64 KiB and more ends after 99 % of it, and the rest is refused by 503, until /heal is asked for",
    "crawl": "a layer of 64 KiB and more comes at 20 KiB a second, until /heal is asked for; Range is heeded",
    "drop-once": "the first request for a layer ends half way; Range is not heeded",
    "drop-range": "the same, and Range is heeded",
    "drop-liar": "the same, and Range is answered with another part",
    "drop-liar-size": "the same, and Range is answered with the part of a larger blob",
    "drop-416": "the same, and Range is answered with 416",
    "drop-often": "every request for a layer ends after an eighth of it, and Range is heeded",
    "short-blob": "a layer is cut in half, and its length says so",
    "not-gzip": "a layer that has the digest it should, and isn't gzip",
    "not-json": "a manifest that is no JSON",
    "not-found": "404 for every layer",
    "error-500": "500 for every layer",
    "error-500-once": "500 for the first request of each blob, then the blob",
    "busy": "429 with Retry-After: 1 for the first request of each path, then the answer",
    "busy-forever": "429 with Retry-After: 1, always",
    "busy-date": "503 with a date 3 seconds ahead in Retry-After for the first request of each path",
    "busy-hour": "429 with Retry-After: 3600, always",
    "teapot": "418, always",
    "slow": "a layer trickles: 1 KiB every 100 ms",
    "stall": "a layer's first 1 KiB, then silence",
    "drip": "a layer of 40 KiB, at a little more than 1 KiB a second",
    "endless-headers": "headers without end, 64 bytes every 100 ms",
    "fat-headers": "headers without end, as fast as can be",
    "redirect": "blobs live on another port of 127.0.0.1",
    "redirect-host": "blobs live on 127.0.0.2",
    "redirect-loop": "blobs redirect to themselves",
    "redirect-file": "blobs redirect to file:///etc/passwd",
    "big-manifest": "a manifest of 5 MiB",
    "self-index": "an index that names itself",
    "deep-index": "an index of indexes without end",
    "wrong-type": "Content-Type says image index, the content is a manifest",
    "type-mismatch": "mediaType inside differs from Content-Type",
    "both-kinds": "one document with manifests[] and layers[]",
    "many-layers": "ten thousand layers",
    "huge-size": "a layer whose descriptor says 2^62 bytes",
    "bad-digest": "a layer whose digest is sha256:../../../../etc/passwd",
}
CREDENTIALS = ("auth-",)
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class State:
    """What all servers share."""

    def __init__(self, args):
        self.args = args
        self.lock = threading.Lock()
        self.seen = set()
        self.healed = False
        self.made = {}
        self.elsewhere = {}
        self.log = open(args.log, "a", encoding="utf-8")
        login = "%s:%s" % (args.user, args.password)
        self.basic = "Basic " + base64.b64encode(login.encode()).decode()

    def become(self, word):
        with self.lock:
            self.healed = word == "/heal"
            if word == "/forget":
                self.seen.clear()
                self.made.clear()

    def first(self, path):
        with self.lock:
            new = path not in self.seen
            self.seen.add(path)
            return new

    def keep(self, data):
        """Remembers a document of our own making, to be asked for by digest later."""
        digest = digest_of(data)
        with self.lock:
            self.made[digest] = data
        return digest

    def record(self, **fields):
        with self.lock:
            self.log.write(json.dumps(dict(time=time.monotonic(), **fields)) + "\n")
            self.log.flush()

    def upstream(self, path, headers):
        connection = http.client.HTTPConnection(self.args.upstream, timeout=60)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, dict(response.getheaders()), data


class Base(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = "registry"

    def log_message(self, format, *args):
        pass

    def reply(self, status, body=b"", headers=None, length=None):
        self.server.state.record(
            server=self.name, method=self.command, path=self.path, status=status,
            host=self.headers.get("Host"), range=self.headers.get("Range"),
            authorization="Authorization" in self.headers)
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code, headers=None):
        body = json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
        self.reply(status, body, dict({"Content-Type": "application/json"}, **(headers or {})))

    def do_HEAD(self):
        self.do_GET()


class Elsewhere(Base):
    """The host that blobs are redirected to: gives any blob to anyone."""
    name = "elsewhere"

    def do_GET(self):
        status, headers, data = self.server.state.upstream(self.path, {})
        self.reply(status, data, {"Content-Type": headers.get("Content-Type", "text/plain")})


class Registry(Base):
    def do_GET(self):
        try:
            self.route()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def route(self):
        parts = urllib.parse.urlsplit(self.path).path.split("/")
        if self.path in ("/v2/", "/v2"):
            self.ping()
            return
        if self.path in ("/heal", "/forget"):
            self.server.state.become(self.path)
            self.reply(200, b"")
            return
        fault = parts[2] if len(parts) > 4 and parts[1] == "v2" else ""
        plain = fault[len("auth-"):] if fault.startswith(CREDENTIALS) else fault
        if plain not in FAULTS:
            self.error(404, "NAME_UNKNOWN")
            return
        if plain != fault and self.headers.get("Authorization") != self.server.state.basic:
            self.unauthorized()
            return
        real = "/".join(parts[:2] + parts[3:])
        if parts[-2] == "manifests":
            self.manifest(plain, real, parts[-1])
        else:
            self.blob(plain, real, parts[-1])

    def unauthorized(self):
        self.error(401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="bulkhead"'})

    def ping(self):
        """Some clients learn here, and only here, that there is a password to send."""
        if self.headers.get("Authorization") != self.server.state.basic:
            self.unauthorized()
            return
        self.reply(200, b"{}", {"Content-Type": "application/json"})

    def busy(self, fault):
        if fault in ("busy", "busy-date") and not self.server.state.first(self.path):
            return False
        if fault == "busy-date":
            date = email.utils.formatdate(time.time() + 3, usegmt=True)
            self.error(503, "UNAVAILABLE", {"Retry-After": date})
        elif fault in ("busy", "busy-forever"):
            self.error(429, "TOOMANYREQUESTS", {"Retry-After": "1"})
        elif fault == "busy-hour":
            self.error(429, "TOOMANYREQUESTS", {"Retry-After": "3600"})
        elif fault == "teapot":
            self.error(418, "TEAPOT")
        elif fault in ("endless-headers", "fat-headers"):
            self.headers_without_end(0.1 if fault == "endless-headers" else 0)
        else:
            return False
        return True

    def headers_without_end(self, pause):
        self.server.state.record(server=self.name, path=self.path, status=200)
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.wfile.write(b"X-Filler: %s\r\n" % (b"x" * 52))
            self.wfile.flush()
            time.sleep(pause)

    def manifest(self, fault, real, reference):
        if self.busy(fault):
            return
        state = self.server.state
        if reference in state.made:
            self.document(state.made[reference])
            return
        status, headers, data = state.upstream(
            real, {"Accept": self.headers.get("Accept", MANIFEST)})
        if status != 200:
            self.reply(status, data, {"Content-Type": "application/json"})
            return
        spoil = getattr(self, "spoil_" + fault.replace("-", "_"), None)
        if spoil is None:
            self.reply(200, data, {"Content-Type": headers.get("Content-Type", MANIFEST),
                                   "Docker-Content-Digest": digest_of(data)})
            return
        spoil(data, headers)

    def document(self, data):
        kind = INDEX if b'"manifests"' in data else MANIFEST
        self.reply(200, data, {"Content-Type": kind, "Docker-Content-Digest": digest_of(data)})

    def made(self, document, kind=MANIFEST):
        data = json.dumps(document).encode()
        self.server.state.keep(data)
        self.reply(200, data, {"Content-Type": kind, "Docker-Content-Digest": digest_of(data)})

    def index_of(self, digest, size, salt=None):
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            {"mediaType": INDEX, "digest": digest, "size": size,
             "platform": {"os": "linux", "architecture": "amd64"}}]}
        if salt is not None:
            document["annotations"] = {"depth": str(salt)}
        return document

    def spoil_wrong_manifest(self, data, headers):
        self.reply(200, data + b" ", {"Content-Type": headers.get("Content-Type", MANIFEST),
                                      "Docker-Content-Digest": digest_of(data)})

    def spoil_not_json(self, data, headers):
        body = b"<html>captive portal</html>"
        self.reply(200, body, {"Content-Type": MANIFEST,
                               "Docker-Content-Digest": digest_of(body)})

    def spoil_big_manifest(self, data, headers):
        document = json.loads(data)
        document["annotations"] = {"filler": "x" * (5 << 20)}
        self.made(document)

    def spoil_self_index(self, data, headers):
        """No document can hold its own digest; the nearest lie is to serve it under one it names."""
        digest = "sha256:" + "a" * 64
        body = json.dumps(self.index_of(digest, 500)).encode()
        with self.server.state.lock:
            self.server.state.made[digest] = body
        self.reply(200, body, {"Content-Type": INDEX})

    def spoil_deep_index(self, data, headers):
        """Honest digests all the way down: each level was made before the one that names it."""
        state = self.server.state
        body = data
        for depth in range(64):
            digest = state.keep(body)
            body = json.dumps(self.index_of(digest, len(body), depth)).encode()
        self.reply(200, body, {"Content-Type": INDEX, "Docker-Content-Digest": state.keep(body)})

    def spoil_wrong_type(self, data, headers):
        self.reply(200, data, {"Content-Type": INDEX, "Docker-Content-Digest": digest_of(data)})

    def spoil_type_mismatch(self, data, headers):
        document = json.loads(data)
        document["mediaType"] = INDEX
        self.made(document)

    def spoil_both_kinds(self, data, headers):
        document = json.loads(data)
        document["manifests"] = self.index_of(digest_of(data), len(data))["manifests"]
        self.made(document)

    def spoil_many_layers(self, data, headers):
        document = json.loads(data)
        document["layers"] = document["layers"][:1] * 10000
        self.made(document)

    def spoil_huge_size(self, data, headers):
        document = json.loads(data)
        document["layers"][0]["size"] = 1 << 62
        self.made(document)

    def spoil_bad_digest(self, data, headers):
        document = json.loads(data)
        document["layers"][0]["digest"] = "sha256:../../../../etc/passwd"
        self.made(document)

    def spoil_not_gzip(self, data, headers):
        """The layer's bytes are noise, and every digest on the way to them is right."""
        self.noise(data, b"this is no gzip stream\n" * 1000)

    def spoil_drip(self, data, headers):
        self.noise(data, b"drip" * 10240)

    def noise(self, data, noise):
        document = json.loads(data)
        document["layers"][0]["digest"] = self.server.state.keep(noise)
        document["layers"][0]["size"] = len(noise)
        self.made(document)

    def blob(self, fault, real, digest):
        state = self.server.state
        if self.busy(fault) or self.redirected(fault, real):
            return
        if digest in state.made:
            headers = {"Content-Type": "application/octet-stream"}
            if fault == "drip":
                self.trickle(fault, state.made[digest], headers)
            else:
                self.reply(200, state.made[digest], headers)
            return
        status, _, data = state.upstream(real, {})
        if status != 200:
            self.reply(status, data, {"Content-Type": "application/json"})
            return
        self.blob_spoilt(fault, data)

    def redirected(self, fault, real):
        target = {"redirect": "http://%s%s" % (self.server.state.elsewhere["port"], real),
                  "redirect-host": "http://%s%s" % (self.server.state.elsewhere["host"], real),
                  "redirect-loop": self.path,
                  "redirect-file": "file:///etc/passwd"}.get(fault)
        if target is None:
            return False
        self.reply(307, b"", {"Location": target})
        return True

    def blob_spoilt(self, fault, data):
        headers = {"Content-Type": "application/octet-stream"}
        layer = not data.startswith(b"{")
        if fault == "wrong-digest" or fault == ("wrong-layer" if layer else "wrong-config"):
            self.reply(200, data[:-1] + bytes([data[-1] ^ 1]), headers)
        elif not layer:
            self.reply(200, data, headers)
        elif fault.startswith("spoilt-"):
            keep = len(data) - 1 if fault == "spoilt-once" else len(data) // 2
            if self.server.state.first(self.path):
                data = data[:keep] + bytes(b ^ 0x55 for b in data[keep:])
            self.reply(200, data, headers)
        elif fault in ("cut", "crawl"):
            self.blob_until_healed(fault, data, headers)
        elif fault.startswith("drop-") or fault == "good-range":
            self.blob_dropped(fault, data, headers)
        elif fault == "truncated-blob":
            self.reply(200, data[:len(data) // 2], headers, len(data))
            self.close_connection = True
        elif fault == "short-blob":
            self.reply(200, data[:len(data) // 2], headers)
        elif fault == "not-found":
            self.error(404, "BLOB_UNKNOWN")
        elif fault == "error-500":
            self.error(500, "UNKNOWN")
        elif fault == "error-500-once" and self.server.state.first(self.path):
            self.error(500, "UNKNOWN")
        elif fault in ("slow", "stall"):
            self.trickle(fault, data, headers)
        else:
            self.reply(200, data, headers)

    def start(self):
        asked = self.headers.get("Range")
        return int(asked[len("bytes="):].split("-")[0]) if asked else 0

    def blob_until_healed(self, fault, data, headers):
        start = self.start()
        if self.server.state.healed or len(data) < 1 << 16:
            self.part(data, start, headers, len(data))
        elif fault == "crawl":
            self.part(data, start, headers, start + 2048)
            for at in range(start + 2048, len(data), 2048):
                if self.server.state.healed:
                    self.wfile.write(data[at:])
                    break
                self.wfile.flush()
                time.sleep(0.1)
                self.wfile.write(data[at:at + 2048])
        elif start:
            self.error(503, "UNAVAILABLE")
        else:
            self.part(data, 0, headers, len(data) * 99 // 100)

    def blob_dropped(self, fault, data, headers):
        asked = self.headers.get("Range")
        start = self.start()
        first = self.server.state.first(self.path)
        if fault == "good-range":
            self.part(data, start, headers, len(data))
        elif fault == "drop-often":
            self.part(data, start, headers, start + len(data) // 8 + 1)
        elif first:
            self.part(data, 0, headers, len(data) // 2)
        elif asked and fault == "drop-416":
            self.error(416, "RANGE")
        elif fault in ("drop-once", "drop-416"):
            self.reply(200, data, headers)
        else:
            self.part(data, start + (fault == "drop-liar"), headers, len(data),
                      len(data) + (fault == "drop-liar-size"))

    def part(self, data, start, headers, end, size=None):
        """From start on, as Range asks for it; broken off at `end`."""
        if self.headers.get("Range"):
            headers["Content-Range"] = "bytes %d-%d/%d" % (start, len(data) - 1, size or len(data))
        status = 206 if "Content-Range" in headers else 200
        self.reply(status, data[start:end], headers, len(data) - start)
        self.close_connection = end < len(data)

    def trickle(self, fault, data, headers):
        self.reply(200, data[:1024], headers, len(data))
        at = 1024
        step = {"slow": 1024, "drip": 150, "stall": 0}[fault]
        while at < len(data):
            self.wfile.flush()
            time.sleep(0.1)
            self.wfile.write(data[at:at + step])
            at += step
        self.close_connection = True


def serve(state, address, handler):
    server = http.server.ThreadingHTTPServer((address, 0), handler)
    server.daemon_threads = True
    server.state = state
    return server


def main():
    parser = argparse.ArgumentParser(
        epilog="\n".join("%-16s %s" % item for item in FAULTS.items()),
        description="auth- before a fault's name asks for a password first.",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", required=True, help="ADDRESS:PORT of a plain registry")
    parser.add_argument("--log", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    state = State(parser.parse_args())
    for key, address in (("port", "127.0.0.1"), ("host", "127.0.0.2")):
        other = serve(state, address, Elsewhere)
        state.elsewhere[key] = "%s:%d" % other.server_address[:2]
        threading.Thread(target=other.serve_forever, daemon=True).start()
    server = serve(state, "127.0.0.1", Registry)
    print("fault: listening on %s:%d" % server.server_address[:2], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
