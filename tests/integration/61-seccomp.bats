# SPDX-License-Identifier: MIT
#
# The workload's syscall filter: that it is there and for whom, what it refuses by number and by argument, users' own
# filters, and our table beside docker's and podman's.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"
# Not those of another file that may run beside this one.
SHIM_UID=1877999701 SHIM_BASE=1879244800
. "$BATS_TEST_DIRNAME/../lib/shim.sh"

setup_file()
{
	engine_start && engine_images busybox || return 1
	PROBES=$ENGINE_DIR/probes
	export PROBES
	mkdir -m 755 "$PROBES" &&
	gcc -std=gnu17 -D_GNU_SOURCE -O2 -static -o "$PROBES/probe" \
		"$BATS_TEST_DIRNAME/../hostile/probe_syscalls.c" &&
	ctl pull -q "$REGISTRY/busybox"
}

teardown_file()
{
	engine_stop
}

setup()
{
	bb=$REGISTRY/busybox
	show="grep -hE ^(Seccomp|NoNewPrivs): /proc/self/status"
}

teardown()
{
	shim_close
	ctl ps -aq | xargs -r timeout 120 "$engine_bin/ctl" rm -f >/dev/null
}

# probe FLAGS... -- WORDS: what the probe says in a container with these flags
probe()
{
	local flags=()

	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	ctl run --rm -v "$PROBES:/probes:ro" "${flags[@]}" "$bb" /probes/probe "$@"
}

@test "the workload, its init and every exec are filtered; a privileged container is not" {
	[ "$(ctl run --rm "$bb" $show | tr -d '\t\n')" = NoNewPrivs:1Seccomp:2 ]
	[ "$(ctl run --rm -u 1000 "$bb" $show | tr -d '\t\n')" = NoNewPrivs:1Seccomp:2 ]
	[ "$(ctl run --rm -t "$bb" $show | tr -d '\t\r\n')" = NoNewPrivs:1Seccomp:2 ]
	[ "$(ctl run --rm --init "$bb" grep -h ^Seccomp: /proc/self/status /proc/1/status | sort -u)" = $'Seccomp:\t2' ]
	[ "$(ctl run --rm --privileged "$bb" $show | tr -d '\t\n')" = NoNewPrivs:1Seccomp:0 ]
	ctl run -d --name x "$bb" sleep 600
	[ "$(ctl exec x $show | tr -d '\t\n')" = NoNewPrivs:1Seccomp:2 ]
	[ "$(ctl exec -u 1000 x $show | tr -d '\t\n')" = NoNewPrivs:1Seccomp:2 ]
	[ "$(ctl exec --privileged x $show | tr -d '\t\n')" = NoNewPrivs:1Seccomp:2 ]
	[ "$(ctl exec x cat /proc/1/status | grep ^Seccomp_filters)" = $'Seccomp_filters:\t1' ]
}

@test "without no_new_privs the filter is there as well, for the workload and for execs" {
	ctl run -d --name x --security-opt no-new-privileges=false "$bb" sleep 600
	[ "$(ctl exec x $show | tr -d '\t\n')" = NoNewPrivs:0Seccomp:2 ]
	[ "$(ctl exec x grep -h ^Seccomp: /proc/1/status)" = $'Seccomp:\t2' ]
	[ "$(ctl exec -u 1000 x $show | tr -d '\t\n')" = NoNewPrivs:0Seccomp:2 ]
}

@test "it is there again after a restart of the container, and of the engine" {
	ctl run -d --name x "$bb" sleep 600
	ctl stop -t 0 x
	ctl start x
	[ "$(ctl exec x $show | tr -d '\t\n')" = NoNewPrivs:1Seccomp:2 ]
	kill -KILL "$(pgrep -P "$ENGINE_PID" -f 'supervisor --serve')"
	wait_until 20 engine_answers
	[ "$(ctl exec x $show | tr -d '\t\n')" = NoNewPrivs:1Seccomp:2 ]
}

@test "arguments are judged too, by the bits that the kernel looks at" {
	probe -- arguments >"$ENGINE_DIR/arguments"
	probe -u 1000 -- arguments >"$ENGINE_DIR/arguments.1000"
	cat "$ENGINE_DIR/arguments"
	# The i386 entry does not exist on every kernel (SIGSEGV then); nothing gets through it on any.
	sed -i 's/^\(i386.*\): signal 11$/\1: ENOSYS/' "$ENGINE_DIR"/arguments*
	cat >"$ENGINE_DIR/expected" <<'TABLE'
clone(SIGCHLD): ok
clone(CLONE_NEWUSER): EPERM
clone(CLONE_NEWNS): EPERM
clone(CLONE_NEWPID): EPERM
clone(CLONE_NEWNET): EPERM
clone(CLONE_NEWIPC): EPERM
clone(CLONE_NEWUTS): EPERM
clone(CLONE_NEWCGROUP): EPERM
clone(CLONE_NEWUSER), bit 32 set: EPERM
clone3: ENOSYS
unshare(CLONE_NEWUSER): EPERM
unshare(0): EPERM
setns: EPERM
socket(AF_UNIX): ok
socket(AF_INET): ok
socket(AF_INET6): ok
socket(AF_NETLINK): ok
socket(AF_PACKET): EAFNOSUPPORT
socket(AF_ALG): EAFNOSUPPORT
socket(AF_ALG), bit 32 set: EAFNOSUPPORT
socket(AF_VSOCK): EAFNOSUPPORT
socket(AF_VSOCK), bit 32 set: EAFNOSUPPORT
socket(AF_BLUETOOTH): EAFNOSUPPORT
socket(AF_KEY): EAFNOSUPPORT
personality(0xffffffff): ok
personality(0): ok
personality(ADDR_NO_RANDOMIZE): EPERM
personality(READ_IMPLIES_EXEC): EPERM
ioctl(TIOCGWINSZ): EBADF
ioctl(TIOCSTI): EPERM
ioctl(TIOCSTI), bit 32 set: EPERM
ioctl(TIOCLINUX): EPERM
ptrace(PTRACE_TRACEME): ok
i386 getpid: ENOSYS
i386 mount: ENOSYS
i386 add_key: ENOSYS
x32 getpid: ENOSYS
x32 mount: ENOSYS
number 1000000: ENOSYS
TABLE
	diff "$ENGINE_DIR/expected" "$ENGINE_DIR/arguments"
	diff "$ENGINE_DIR/expected" "$ENGINE_DIR/arguments.1000"
}

@test "a capability opens what docker opens with it, inside the user namespace" {
	ctl run --rm "$bb" sh -c '! mount -t tmpfs x /tmp 2>/dev/null && ! unshare -U true 2>/dev/null'
	ctl run --rm --cap-add SYS_ADMIN "$bb" sh -c 'mount -t tmpfs x /tmp && grep -q " /tmp tmpfs" /proc/mounts && unshare -U true'
	probe --cap-add SYS_ADMIN -- arguments | tee "$ENGINE_DIR/admin"
	grep -qx 'clone(CLONE_NEWUSER): ok' "$ENGINE_DIR/admin"
	grep -qx 'clone3: EINVAL' "$ENGINE_DIR/admin"
	grep -qx 'socket(AF_VSOCK): EAFNOSUPPORT' "$ENGINE_DIR/admin"
	grep -qx 'ioctl(TIOCSTI): EPERM' "$ENGINE_DIR/admin"
	probe --cap-add NET_RAW -- arguments | grep -qx 'socket(AF_PACKET): ok'
	# chroot, 161, needs a capability that is there by default.
	[ "$(probe -- numbers 161 161)" = '161 EFAULT' ]
	[ "$(probe --cap-drop SYS_CHROOT -- numbers 161 161)" = '161 EPERM' ]
}

@test "what is no filter stops the start with one sentence, and the shim's next one starts" {
	SHIM_DIR=$(mktemp -d "$ENGINE_DIR/shim.XXXXXX")
	SHIM_LOG=$SHIM_DIR/err
	shim_tree "$SHIM_DIR/tree"
	head -c 64 /dev/zero >"$SHIM_DIR/zeros"
	head -c 13 /dev/zero >"$SHIM_DIR/odd"
	head -c 40000 /dev/zero >"$SHIM_DIR/long"
	for kind in zeros odd long open; do
		mkdir "$SHIM_DIR/$kind.d"
		shim_dirs "$SHIM_DIR/$kind.d" "$SHIM_DIR/tree"
		[ $kind = open ] && how=--open || how=--sealed
		[ $kind = open ] && file=zeros || file=$kind
		SHIM_MOUNTS+=("$how" "13=$SHIM_DIR/$file")
		shim_open
		say "shim_start $(spec 'argv=/bin/true cwd=/') layers=@fd:10 writable=@fd:11 log=@fd:12 filter=@fd:13"
		hear '^failed' 20
		case $kind in
		zeros) [[ $HEARD == *'the kernel refuses the seccomp filter: it is no valid program'* ]] ;;
		odd) [[ $HEARD == *'the seccomp filter is no list of instructions'* ]] ;;
		*) [[ $HEARD == *'reading the seccomp filter: '* ]] ;;
		esac
		shim_close
	done
}

# profile JSON: a file with it; prints its name
profile()
{
	local f

	f=$(mktemp "$ENGINE_DIR/profile.XXXXXX")
	printf '%s' "$1" >"$f"
	echo "$f"
}

@test "docker's JSON: a filter of the user's own holds for the workload, execs and restarts" {
	f=$(profile '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
		{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":30},
		{"names":["rmdir"],"action":"SCMP_ACT_ERRNO"},
		{"name":"socket","action":"SCMP_ACT_ERRNO","errnoRet":22,"args":[
			{"index":0,"value":16,"valueTwo":0,"op":"SCMP_CMP_EQ"},
			{"index":2,"value":9,"valueTwo":0,"op":"SCMP_CMP_EQ"}]},
		{"names":["sethostname"],"action":"SCMP_ACT_ERRNO","errnoRet":95,"includes":{"caps":["CAP_KILL"],"minKernel":"4.8"}},
		{"names":["setdomainname"],"action":"SCMP_ACT_ERRNO","errnoRet":95,"excludes":{"caps":["CAP_KILL"]}},
		{"names":["acct"],"action":"SCMP_ACT_ERRNO","errnoRet":2,"includes":{"arches":["s390x"]}},
		{"names":["swapoff"],"action":"SCMP_ACT_ERRNO","errnoRet":2,"includes":{"minKernel":"99.0"}}]}')
	ctl run -d --name x --security-opt "seccomp=$f" -v "$PROBES:/probes:ro" "$bb" sleep 600
	ctl run -d --name y --security-opt "seccomp=$f" "$bb" sleep 600
	rm "$f"
	judge()
	{
		[ "$(ctl exec x /probes/probe numbers 83 84)" = $'83 EROFS\n84 EPERM' ]
		[ "$(ctl exec x /probes/probe numbers 170 171)" = $'170 EOPNOTSUPP\n171 EPERM' ]
		[ "$(ctl exec x /probes/probe numbers 168 168)" = '168 EPERM' ] # the kernel's own, as 171
		[ "$(ctl exec x /probes/probe numbers 272 272)" = '272 EINVAL' ] # unshare gets through
		ctl exec x /probes/probe arguments | grep -qx 'socket(AF_NETLINK): ok'
		ctl exec x grep -q '^Seccomp:.2' /proc/self/status
	}
	judge
	[ "$(ctl inspect --format '{{json .HostConfig.SecurityOpt}}' x)" = "[\"seccomp=$f\"]" ]
	ctl stop -t 0 x
	ctl start x
	judge
	kill -KILL "$(pgrep -P "$ENGINE_PID" -f 'supervisor --serve')"
	wait_until 20 engine_answers
	judge
	ctl stop -t 0 y
	ctl start y
	run ctl exec y mkdir /new
	[[ "$output" == *'Read-only file system'* ]]
}

@test "a default of ERRNO gives ENOSYS for what is younger than the file, as runc does" {
	f=$(profile "$(jq -c '.syscalls[0].names -= ["rseq"]' /usr/share/containers/seccomp.json)")
	[ "$(probe --security-opt "seccomp=$f" -- numbers 451 453)" = $'451 ENOSYS\n452 ENOSYS\n453 ENOSYS' ]
	f=$(profile '{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":13,"syscalls":[{"names":["mkdir","read","write",
		"close","execve","exit_group","wait4","fork","clone","mmap","brk","arch_prctl","rt_sigaction","rt_sigprocmask",
		"set_tid_address","set_robust_list","rseq","prlimit64","readlinkat","getrandom","mprotect","getpid","setpgid",
		"rt_sigtimedwait","fstat","newfstatat","kill","openat2"],"action":"SCMP_ACT_ALLOW"}]}')
	[ "$(probe --security-opt "seccomp=$f" -- numbers 436 438)" = $'436 EACCES\n437 E2BIG\n438 ENOSYS' ]
}

@test "a call that is younger than libseccomp goes beside 32-bit architectures, as in docker's own profile" {
	f=$(profile "$(jq -c '.syscalls += [{"names":["fchmodat2","mseal"],"action":"SCMP_ACT_ERRNO","errnoRet":7}]' \
		/usr/share/containers/seccomp.json)")
	[ "$(jq -r '.archMap[0].subArchitectures[0]' "$f")" = SCMP_ARCH_X86 ]
	[ "$(probe --security-opt "seccomp=$f" -- numbers 451 453)" = $'451 ENOSYS\n452 E2BIG\n453 ENOSYS' ]
	[ "$(probe --security-opt "seccomp=$f" -- numbers 462 463)" = $'462 E2BIG\n463 ENOSYS' ]
	f=$(profile '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],
		"syscalls":[{"names":["mseal"],"action":"SCMP_ACT_ERRNO"}]}')
	run ctl run --rm --security-opt "seccomp=$f" "$bb" true
	[ "$status" = 125 ]
	[[ "$output" == *'"mseal" can'\''t be refused to other architectures'* ]]
}

@test "unconfined is unconfined, the last option holds, and a file holds beside --privileged" {
	f=$(profile '{"defaultAction":"SCMP_ACT_ALLOW"}')
	[ "$(ctl run --rm --security-opt seccomp=unconfined "$bb" $show | tr -d '\t\n')" = NoNewPrivs:1Seccomp:0 ]
	[ "$(ctl run --rm --security-opt "seccomp=$f" --security-opt seccomp=unconfined "$bb" $show | tr -d '\t\n')" = \
		NoNewPrivs:1Seccomp:0 ]
	[ "$(ctl run --rm --privileged --security-opt "seccomp:$f" "$bb" $show | tr -d '\t\n')" = NoNewPrivs:1Seccomp:2 ]
	[ "$(ctl run --rm --security-opt no-new-privileges=false --security-opt "seccomp=$f" "$bb" $show | tr -d '\t\n')" = \
		NoNewPrivs:0Seccomp:2 ]
}

@test "a bad file is one sentence, and nothing changes" {
	before=$(ctl ps -aq)
	refused()
	{
		run ctl run --rm --security-opt "seccomp=$1" "$bb" true
		echo "$output"
		[ "$status" = 125 ]
		[ "${#lines[@]}" = 1 ]
		[[ "$output" == "ctl: run: --security-opt seccomp: "*"$2"* ]]
	}
	refused /nonexistent 'no such file'
	refused /tmp 'is a directory'
	refused /dev/zero 'file too large'
	refused /etc/passwd 'line 1'
	refused "$(profile '')" 'line 1'
	refused "$(profile '[]')" 'not an object'
	refused "$(profile '{}')" 'defaultAction is missing'
	refused "$(profile '{"defaultAction":"SCMP_ACT_ALLOW","defaultAction":"SCMP_ACT_KILL"}')" duplicate
	refused "$(profile '{"defaultAction":"SCMP_ACT_ALOW"}')" '"SCMP_ACT_ALOW" is not supported'
	refused "$(profile '{"defaultAction":"SCMP_ACT_NOTIFY"}')" '"SCMP_ACT_NOTIFY" is not supported'
	refused "$(profile '{"defaultAction":"SCMP_ACT_ALLOW","sycalls":[]}')" 'unknown field "sycalls"'
	refused "$(profile '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":{}}')" 'syscalls is not a list'
	refused "$(profile '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdri"],"action":"SCMP_ACT_KILL"}]}')" \
		'syscalls[0]: unknown system call "mkdri"'
	refused "$(profile '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[7],"action":"SCMP_ACT_KILL"}]}')" \
		'names[0] is not a text'
	refused "$(profile '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_KILL",
		"args":[{"index":6,"value":1,"op":"SCMP_CMP_EQ"}]}]}')" 'args[0]: there is no argument 6'
	refused "$(profile '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_KILL",
		"args":[{"index":0,"value":1,"op":"SCMP_CMP_IS"}]}]}')" 'unknown comparison "SCMP_CMP_IS"'
	refused "$(profile '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO",
		"errnoRet":5000}]}')" 'errnoRet is no error number'
	refused "$(profile '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO",
		"includes":{"caps":["CAP_NO"]}}]}')" 'unknown capability "CAP_NO"'
	[ "$(ctl ps -aq)" = "$before" ]
	# What is not allowed to run at all is the workload's end, not the engine's.
	run ctl run --rm --security-opt "seccomp=$(profile '{"defaultAction":"SCMP_ACT_KILL"}')" "$bb" true
	[ "$status" = 159 ]
	run ctl run --rm --security-opt "seccomp=$(profile '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
		{"names":["execve"],"action":"SCMP_ACT_ERRNO"}]}')" "$bb" true
	[ "$status" = 126 ]
	[[ "$output" == *'exec: "true": operation not permitted'* ]]
}

@test "every number from 0 to 511: refused as the table says, and what docker refuses we refuse" {
	[ "$(uname -m)" = x86_64 ] || skip "the recorded table is for x86_64"
	table=$BATS_TEST_DIRNAME/../hostile/syscalls_x86_64.txt
	probe -- numbers >"$ENGINE_DIR/ours"
	probe -u 1000 -- numbers >"$ENGINE_DIR/user"
	ctl run -d --name x -v "$PROBES:/probes:ro" "$bb" sleep 600
	ctl exec x /probes/probe numbers >"$ENGINE_DIR/exec"
	probe --security-opt seccomp=/usr/share/containers/seccomp.json -- numbers >"$ENGINE_DIR/podman"
	probe --security-opt seccomp=unconfined -- numbers >"$ENGINE_DIR/bare"
	# Refused means with that error; what passes must not look refused, unless this kernel doesn't have the call, or
	# refuses users who are not root by itself (116, setgroups).
	for who in bare ours user exec; do
		[ "$(wc -l <"$ENGINE_DIR/$who")" = 512 ]
	done
	for who in ours user exec; do
		awk -v who=$who 'FNR == 1 { file++ }
			file == 1 { if ($1 != "#" && NF == 3) want[$1] = $2; next }
			file == 2 { lacks[$1] = $2 == "ENOSYS"; next }
			want[$1] != "-" && $2 != want[$1] { print who ": " $1 " is " $2 ", not " want[$1]; bad = 1 }
			want[$1] == "-" && ($2 == "EPERM" || $2 == "ENOSYS") &&
				!($2 == "ENOSYS" && lacks[$1]) && !(who == "user" && $1 == 116) { print who ": " $1 " is " $2; bad = 1 }
			END { exit bad }' "$table" "$ENGINE_DIR/bare" "$ENGINE_DIR/$who"
	done
	# One table of all three, where they differ.
	awk 'BEGIN { print "number  bulkhead  docker-20.10  podman" }
		FNR == 1 { file++ }
		file == 1 { if (NF == 3 && $1 != "#") { us[$1] = $2; docker[$1] = $3 } next }
		{ p = $2 == "EPERM" || $2 == "ENOSYS" ? $2 : "-"
		  if ((us[$1] == "-") != (docker[$1] == "-") || (us[$1] == "-") != (p == "-"))
			printf "%6d  %-8s  %-12s  %s\n", $1, us[$1], docker[$1], p }' "$table" "$ENGINE_DIR/podman" |
		tee "$ENGINE_DIR/differences" >&3
	# 135: personality(-1) asks only, by the 32 bits that count.  310 311: ptrace, which docker allows, does the same.
	# 329-331: protection keys only take away.  446: Landlock likewise; docker has no no_new_privs.  From 451 on: younger
	# than docker 20.10, each harmless (see supervisor/seccomp_rows.c).
	awk 'NF == 3 && $1 != "#" && $3 != "-" && $2 == "-" { print $1 }' "$table" | xargs >"$ENGINE_DIR/exceptions"
	[ "$(cat "$ENGINE_DIR/exceptions")" = \
		"135 310 311 329 330 331 446 451 452 454 455 456 462 463 464 465 466 468 469" ]
}
