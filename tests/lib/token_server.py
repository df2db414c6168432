#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A token server as docker-registry's token authentication asks for.

Signs with RS256 through openssl and names its certificate in x5c. Anyone may ask for a token; an
anonymous one, and one asked for with a wrong password, grants nothing, except that anonymous
requests may pull from repositories under public/.
"""
import argparse
import base64
import http.server
import json
import subprocess
import sys
import time
import urllib.parse


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def der_base64(pem_path):
    with open(pem_path, encoding="ascii") as f:
        lines = [line.strip() for line in f]
    begin = lines.index("-----BEGIN CERTIFICATE-----")
    return "".join(lines[begin + 1:lines.index("-----END CERTIFICATE-----")])


def parse_scope(scope):
    """repository:host/name:pull,push: the name may hold colons, the ends may not."""
    kind, rest = scope.split(":", 1)
    name, actions = rest.rsplit(":", 1)
    return {"type": kind, "name": name, "actions": actions.split(",")}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        print("token: " + format % args, file=sys.stderr, flush=True)

    def basic_user(self):
        header = self.headers.get("Authorization", "")
        if not header.startswith("Basic "):
            return None
        user, _, password = base64.b64decode(header[6:]).decode().partition(":")
        return (user, password)

    def access(self, scopes, known):
        granted = []
        for scope in scopes:
            entry = parse_scope(scope)
            if not known:
                public = entry["name"].startswith("public/")
                entry["actions"] = ["pull"] if public and "pull" in entry["actions"] else []
            granted.append(entry)
        return granted

    def sign(self, claims):
        header = {"typ": "JWT", "alg": "RS256", "x5c": [self.server.x5c]}
        text = b64url(json.dumps(header).encode()) + "." + b64url(json.dumps(claims).encode())
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self.server.args.key],
            input=text.encode(), stdout=subprocess.PIPE, check=True).stdout
        return text + "." + b64url(signature)

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def grant(self, query, login):
        args = self.server.args
        if login is not None and login != (args.user, args.password):
            self.answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]})
            return
        scopes = [s for value in query.get("scope", []) for s in value.split(" ") if s]
        now = int(time.time())
        token = self.sign({
            "iss": "bulkhead-token", "aud": query.get("service", [""])[0],
            "sub": login[0] if login else "", "iat": now, "nbf": now - 10,
            "exp": now + args.lifetime, "jti": str(time.time_ns()),
            "access": self.access(scopes, login is not None),
        })
        print("token: granted %s %s" % (login[0] if login else "anonymous", scopes),
              file=sys.stderr, flush=True)
        self.answer(200, {"token": token, "access_token": token, "expires_in": args.lifetime,
                          "issued_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))})

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        self.grant(urllib.parse.parse_qs(url.query), self.basic_user())

    def do_POST(self):
        length = min(int(self.headers.get("Content-Length", "0")), 65536)
        query = urllib.parse.parse_qs(self.rfile.read(length).decode())
        login = self.basic_user()
        if login is None and "password" in query:
            login = (query.get("username", [""])[0], query["password"][0])
        self.grant(query, login)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--key", required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--lifetime", type=int, default=300)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.args = parser.parse_args()
    server.x5c = der_base64(server.args.certificate)
    print("token: listening on 127.0.0.1:%d" % server.server_address[1],
          file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
