# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The fixture images: made once per checkout as OCI layouts under build/fixtures, then pushed to
# whatever registry a test has started. Sourced.
#
#	image_layout NAME			makes it if it is missing, prints its directory
#	image_push NAME ADDR [REPO:TAG [SKOPEO-FLAG...]]
#	image_rootfs NAME			umoci's unpacking of it, made once; prints the directory
#
# NAME is one of busybox config health whiteouts zstd twoplat debian software.

images_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
images_cache=${BULKHEAD_FIXTURES:-$(cd "$images_lib/../.." && pwd)/build/fixtures}

# image_alone CMD...: with no descriptor but 0 to 2. mmdebstrap names the next free one in a script for
# /bin/sh, and dash knows none above 9; bats leaves a lot of them open.
image_alone()
(
	local fd

	for fd in /proc/self/fd/*; do
		fd=${fd##*/}
		[ "$fd" -le 2 ] || eval "exec $fd>&-"
	done
	"$@"
)

# image_once NAME DIR CMD...: runs CMD with a directory to fill, one maker at a time, and moves
# the result to DIR only when it is whole.
image_once()
{
	local name=$1 dir=$2 made

	shift 2
	[ ! -d "$dir" ] || return 0
	mkdir -p "$images_cache" || return 1
	(
		flock 9
		[ ! -d "$dir" ] || exit 0
		made=$(mktemp -d "$images_cache/.making.XXXXXX") || exit 1
		trap 'rm -rf "$made"' EXIT
		if image_alone "$@" "$made" >"$made/log" 2>&1; then
			mv "$made/out" "$dir"
		else
			echo "images: can't make $name:" >&2
			tail -n 20 "$made/log" >&2
			exit 1
		fi
	) 9>"$images_cache/lock"
}

image_tag()
{
	case $1 in
	debian|software) echo 12 ;;
	*) echo latest ;;
	esac
}

image_layout()
{
	local name=$1 dir=$images_cache/$1

	case $name in
	busybox|config|health|whiteouts|zstd|twoplat)
		image_once "$name" "$dir" image_make_small "$name" || return 1 ;;
	debian|software)
		image_once "$name" "$dir" "image_make_$name" || return 1 ;;
	*)
		echo "images: there is no image \"$name\"" >&2
		return 1
		;;
	esac
	echo "$dir"
}

image_make_small()
{
	/usr/bin/python3 "$images_lib/oci_layout.py" "$1" "$2/out"
}

# The host's own Debian sources, others left out: what they need may not be there.
image_debian_sources()
{
	local f found=

	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
			/etc/apt/sources.list.d/*.sources; do
		[ -e "$f" ] || continue
		grep -qsE '^[^#]*(URIs:|deb).*debian' "$f" && grep -qs bookworm "$f" || continue
		case $f in
		*.sources) grep -q 'Suites:.*bookworm' "$f" || continue ;;
		*) grep -qE '^deb .* bookworm' "$f" || continue ;;
		esac
		printf '%s\n' "$f"
		found=1
	done
	[ -n "$found" ] || printf '%s\n' "deb http://deb.debian.org/debian bookworm main"
}

# Three layers as a Dockerfile would leave them: the essential system; apt and python3; a clean-up
# that removes and changes files of both. One mmdebstrap run; a hook keeps a copy between.
image_make_debian()
{
	local dir=$1 sources

	mapfile -t sources < <(image_debian_sources)
	SOURCE_DATE_EPOCH=1700000000 mmdebstrap --mode=root --variant=minbase --format=directory \
		--include=python3,util-linux,procps,iproute2 --skip=check/empty \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--essential-hook="bash -c '. $images_lib/images.sh; image_snapshot \"\$1\" $dir/essential' - \"\$1\"" \
		bookworm "$dir/final" "${sources[@]}" || return 1
	umoci init --layout "$dir/out" || return 1
	umoci new --image "$dir/out:12" || return 1
	image_add_tree "$dir" "$dir/essential" || return 1
	image_add_tree "$dir" "$dir/final" || return 1
	image_debian_touch "$dir/final" || return 1
	image_add_tree "$dir" "$dir/final" || return 1
	umoci config --image "$dir/out:12" --config.cmd bash --config.env \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin || return 1
	umoci gc --layout "$dir/out"
}

# What people run, from Debian, and a package repository in /repo for what is installed later.
image_make_software()
{
	local dir=$1 sources

	mapfile -t sources < <(image_debian_sources)
	SOURCE_DATE_EPOCH=1700000000 mmdebstrap --mode=root --variant=apt --format=directory \
		--include=ca-certificates,default-jre-headless,gcc,iproute2,libc6-dev,nginx-light,nodejs \
		--include=postgresql,procps,python3,redis-server,strace,util-linux --skip=check/empty \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook="bash -c '. $images_lib/images.sh; image_software_repo \"\$1\"' - \"\$1\"" \
		bookworm "$dir/final" "${sources[@]}" || return 1
	umoci init --layout "$dir/out" || return 1
	umoci new --image "$dir/out:12" || return 1
	image_add_tree "$dir" "$dir/final" || return 1
	umoci config --image "$dir/out:12" --config.cmd bash --config.env \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin || return 1
	umoci gc --layout "$dir/out"
}

# A daemon with its user, a library and a program, none of them installed, and an index of them.
image_software_repo()
{
	local deb

	mkdir -m 755 "$1/repo" &&
	chroot "$1" sh -c 'cd /repo && apt-get -q -o APT::Sandbox::User=root download hello jq libjq1 \
		libonig5 dbus dbus-bin dbus-daemon dbus-session-bus-common dbus-system-bus-common \
		libapparmor1 libdbus-1-3 libexpat1' || return 1
	(
		cd "$1/repo" || exit 1
		for deb in *.deb; do
			dpkg-deb -f "$deb" &&
			printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" \
				"$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)" || exit 1
		done >Packages
	) || return 1
	rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*
	rm -rf "$1"/var/lib/apt/lists/*
	echo 'deb [trusted=yes] file:/repo ./' >"$1/etc/apt/sources.list"
}

# proc, sys and dev are mounted while the hook runs: their contents stay out.
image_snapshot()
{
	mkdir "$2" &&
	tar -C "$1" --one-file-system --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' \
		-c . | tar -C "$2" -xp
}

# image_add_tree DIR TREE: one more layer, which turns the image into TREE.
image_add_tree()
{
	local bundle=$1/bundle

	rm -rf "$bundle"
	umoci unpack --image "$1/out:12" "$bundle" || return 1
	rm -rf "$bundle/rootfs"
	cp -a "$2" "$bundle/rootfs" || return 1
	umoci repack --image "$1/out:12" "$bundle" || return 1
	rm -rf "$bundle"
}

image_debian_touch()
{
	rm -rf "$1"/var/cache/apt/*.bin "$1"/var/lib/apt/lists/* "$1"/usr/share/zoneinfo &&
	echo 'bulkhead fixture' >"$1/etc/motd" &&
	mkdir -p "$1/srv/app" &&
	echo 'print("hello from python")' >"$1/srv/app/hello.py" &&
	chmod 4755 "$1/usr/bin/passwd"
}

image_push()
{
	local name=$1 addr=$2 as=${3:-$1:$(image_tag "$1")} layout

	shift $(($# < 3 ? $# : 3))
	layout=$(image_layout "$name") || return 1
	skopeo --insecure-policy copy -q --all --preserve-digests --dest-tls-verify=false "$@" \
		"oci:$layout:$(image_tag "$name")" "docker://$addr/$as"
}

image_rootfs()
{
	local name=$1 dir=$images_cache/$1.rootfs

	image_layout "$name" >/dev/null || return 1
	image_once "$name" "$dir" image_unpack "$name" || return 1
	echo "$dir"
}

image_unpack()
{
	umoci unpack --image "$images_cache/$1:$(image_tag "$1")" "$2/bundle" &&
	mv "$2/bundle/rootfs" "$2/out"
}
