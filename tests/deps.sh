#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Installs the Debian packages that are missing: deps.sh LIST..., LIST one of build, demo, check,
# vm, guest, lint, bench, deb. Does nothing, and needs no network, when all of them are there. No package
# gets to start a service: a policy-rc.d that refuses is in place while apt runs, and what was there
# before comes back afterwards, also after a failure. deps.sh --print LIST... prints names instead.
set -euo pipefail

# package                 lists                     reason
packages() {
	cat <<'TABLE'
gcc                       build                     the compiler
libc6-dev                 build                     C library headers, and libc.a for the static shim
make                      build                     the build
pkg-config                build                     finds the libraries' flags
libevent-dev              build                     event loop of every daemon
libnl-3-dev               build                     netd: netlink messages
libnl-route-3-dev         build                     netd: links, addresses, routes
libcap-dev                build                     privilege profiles
libmsgpack-dev            build                     the packer of proto's codec
libcurl4-openssl-dev      build                     imaged --fetch: HTTP and TLS
libarchive-dev            build                     imaged --unpack: tar; ctl cp: tar archives of others
zlib1g-dev                build                     ctl cp: those that are compressed
libbz2-dev                build                     likewise
liblzma-dev               build                     likewise
libseccomp-dev            build                     syscall filters
libjansson-dev            build                     JSON
libnftables-dev           build                     netd: the ruleset as nft text
libisal-dev               build                     gzip and crc
libzstd-dev               build                     zstd layers
libssl-dev                build                     sha256
docker-registry           demo,check,bench          the registry on loopback
skopeo                    demo,check,bench          pushes the fixture images
busybox-static            demo,check,vm,bench       the small image; until the machine's root is mounted
python3                   demo,check,bench          makes the fixture images; token and fault servers
iproute2                  demo,check,bench          ip: what is on the host before and after
nftables                  demo,check,bench          nft: what is on the host before and after
procps                    demo,check,bench          ps, sysctl
curl                      demo,check,bench          waits for registries, reaches published ports
jq                        demo,check,bench          reads inspect's and hyperfine's JSON
ca-certificates           demo,check,bench          whom registries' certificates are trusted from, and the mirror's
openssl                   check                     certificates and signed tokens of the test registries
bats                      check                     integration tests
libcmocka-dev             check                     unit tests
umoci                     check,bench               reference unpacker; repacks the Debian image's layers
mmdebstrap                check,vm,bench            the multi-layer Debian image; the machine's
zstd                      check                     the image with zstd layers; a compressed archive for cp
bzip2                     check                     likewise
xz-utils                  check                     likewise
erofs-utils               check                     fsck.erofs judges every layer we write
e2fsprogs                 check,vm,bench            mkfs.ext4: small loop filesystems as state directory; disks
xfsprogs                  check                     mkfs.xfs: a file system whose files can share blocks
clang                     check,lint                fuzzers need libFuzzer
libclang-rt-14-dev        check,lint                libFuzzer's and the sanitizers' runtime
dpkg-dev                  deb,check                 which packages hold the libraries that are linked
systemd                   check                     systemd-analyze and -sysusers judge what is installed for them
lintian                   check                     what Debian has to say of the package
binutils                  deb,check                 readelf: which library each program links
iputils-ping              check                     reaches containers from outside
libcap2-bin               check                     capsh: proofs about capabilities
strace                    check                     shows what a daemon opens while it serves
man-db                    check                     man pages as a reader sees them, and what troff warns of
bash-completion           check                     completions, in the shells that they are for
zsh                       check                     likewise
fish                      check                     likewise
golang-github-containers-common check              podman's table of system calls, to compare ours with
qemu-system-x86           vm                        runs the machine with Debian's kernel and cgroup v2
linux-image-cloud-amd64   guest                     that kernel, smallest of its kind; unpacked, not installed
kmod                      guest                     modules, as on any Debian machine
udev                      guest                     likewise: names of loop devices and ports
systemd-sysv              guest                     systemd as pid 1
dbus                      guest                     systemctl, loginctl
clang-format              lint                      the agreed style
hyperfine                 bench                     medians
docker.io                 bench                     peer
containerd                bench                     peer: docker's runtime daemon
podman                    check,bench               peer; its verdict on hostile images
crun                      bench                     peer
runc                      bench                     peer
conmon                    bench                     podman runs containers below it
containernetworking-plugins bench                   podman's bridge network
iptables                  bench                     dockerd's firewall, inside its own network namespace
TABLE
}

die()
{
	echo "deps.sh: $*" >&2
	exit 1
}

wanted()
{
	local list

	for list in "$@"; do
		packages | awk -v l="$list" '("," $2 ",") ~ ("," l ",") { print $1 }'
	done | sort -u
}

missing()
{
	local p

	for p in $(wanted "$@"); do
		dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null |
			grep -qx installed || echo "$p"
	done
}

policy=/usr/sbin/policy-rc.d
policy_kept=

policy_restore()
{
	if [ -n "$policy_kept" ] && [ -e "$policy_kept" ]; then
		mv -f "$policy_kept" "$policy"
	else
		rm -f "$policy"
	fi
}

policy_refuse()
{
	if [ -e "$policy" ] || [ -L "$policy" ]; then
		policy_kept=$policy.before-bulkhead.$$
		mv "$policy" "$policy_kept"
	fi
	trap policy_restore EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
}

main()
{
	local list todo print=

	[ "${1:-}" != --print ] || { print=1; shift; }
	[ $# -gt 0 ] || die "usage: deps.sh [--print] build|demo|check|vm|guest|lint|bench|deb..."
	for list in "$@"; do
		case $list in
		build|demo|check|vm|guest|lint|bench|deb) ;;
		*) die "unknown list \"$list\"; there are build, demo, check, vm, guest, lint, bench and deb" ;;
		esac
	done
	[ -z "$print" ] || { wanted "$@"; exit; }
	[[ " $* " != *" guest "* ]] || die "guest is for the machine of tests/vm, not for this one"
	todo=$(missing "$@")
	[ -n "$todo" ] || exit 0
	[ "$(id -u)" = 0 ] || die "missing: ${todo//$'\n'/ }; run as root to install"
	echo "deps.sh: installing ${todo//$'\n'/ }"
	export DEBIAN_FRONTEND=noninteractive
	policy_refuse
	apt-get -q -o Acquire::Retries=3 update </dev/null ||
		echo "deps.sh: apt-get update failed; trying with the lists that are here" >&2
	# shellcheck disable=SC2086
	apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 \
		-o Dpkg::Options::=--force-confold \
		install --no-install-recommends $todo </dev/null
	todo=$(missing "$@")
	[ -z "$todo" ] || die "still missing: ${todo//$'\n'/ }"
}

main "$@"
