# SPDX-License-Identifier: MIT
#
# What people run, from Debian, in a Debian image under the default protections: eleven capabilities in a user
# namespace, no_new_privs, the default syscall filter. The image takes minutes to make, so this is a lane of its own.

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

setup_file()
{
	engine_start && engine_images software && ctl pull -q "$REGISTRY/software:12"
}

teardown_file()
{
	engine_stop
}

# in_debian SCRIPT: its output, and its exit code as status
in_debian()
{
	CTL_TIMEOUT=120 run ctl run --rm "$REGISTRY/software:12" bash -c "$1"
	echo "$output"
}

@test "apt installs programs, a library and a daemon with its user" {
	in_debian 'apt-get -q update && apt-get -q -y install hello jq dbus && hello && jq -n 40+2 && id messagebus'
	[ "$status" = 0 ]
	[[ $output == *'Hello, world!'* ]]
	[[ $output == *'(messagebus)'* ]]
	[ "$(grep -cx 42 <<<"$output")" = 1 ]
}

@test "python: threads, a child, a database" {
	in_debian 'cat >/tmp/t.py <<PY
import sqlite3, subprocess, threading
t = threading.Thread(target=print, args=("thread",)); t.start(); t.join()
print(subprocess.check_output(["id", "-u"], text=True).strip())
d = sqlite3.connect("/tmp/db"); d.execute("create table t(x)"); d.execute("insert into t values(42)"); d.commit()
print(d.execute("select x from t").fetchone()[0])
PY
	python3 /tmp/t.py'
	[ "$status" = 0 ]
	[ "$output" = $'thread\n0\n42' ]
}

@test "gcc compiles, and what it made runs" {
	in_debian 'echo "int main(void) { return 7; }" >/tmp/a.c && gcc -O2 -o /tmp/a /tmp/a.c && exec /tmp/a'
	[ "$status" = 7 ]
}

@test "strace follows a child" {
	in_debian 'strace -f -o /tmp/t sh -c "true; /bin/echo traced" && grep -c "execve.* = 0$" /tmp/t'
	[ "$status" = 0 ]
	[ "$output" = $'traced\n2' ]
}

@test "node and java compute" {
	in_debian 'node -e "setTimeout(() => console.log(6 * 7), 10)"'
	[ "$status" = 0 ]
	[ "$output" = 42 ]
	in_debian 'java -Xint -XshowSettings:vm -version 2>&1 | grep -c "OpenJDK"'
	[ "$status" = 0 ]
	[ "$output" -ge 1 ]
}

@test "redis keeps a value, over its end" {
	in_debian 'cd /tmp && redis-server --daemonize yes --dir /tmp >/dev/null &&
		until redis-cli ping 2>/dev/null | grep -q PONG; do sleep 0.1; done
		redis-cli set k 42 && redis-cli shutdown save; redis-server --daemonize yes --dir /tmp >/dev/null
		until redis-cli ping 2>/dev/null | grep -q PONG; do sleep 0.1; done; redis-cli get k'
	[ "$status" = 0 ]
	[ "$output" = $'OK\n42' ]
}

@test "nginx serves on port 80, its workers as www-data" {
	in_debian 'nginx && until [ "$(ps -o user= -C nginx | sort -u | wc -l)" = 2 ]; do sleep 0.1; done
		ps -o user= -C nginx | sort -u
		python3 -c "import urllib.request as u; print(u.urlopen(\"http://127.0.0.1\").status)"'
	[ "$status" = 0 ]
	[ "$output" = $'root\nwww-data\n200' ]
}

@test "postgres: a cluster of its own is made, started and asked" {
	in_debian 'pg=$(echo /usr/lib/postgresql/*/bin)
		su postgres -c "$pg/initdb -D /tmp/pg >/dev/null 2>&1 && $pg/pg_ctl -w -s -D /tmp/pg -o \"-k /tmp\" start >/dev/null" &&
		su postgres -c "psql -h /tmp -Atc \"select sum(x) from generate_series(1, 8) x\"" &&
		su postgres -c "$pg/pg_ctl -s -D /tmp/pg stop"'
	[ "$status" = 0 ]
	[ "$output" = 36 ]
}
