#!/bin/bash
# SPDX-License-Identifier: MIT
#
# deb.sh VERSION OUT: a Debian package of what has been built, OUT/bulkhead_VERSION_ARCH.deb, by `make install`
# and dpkg-deb. OUT is an absolute path; nothing outside is
# touched.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$1
out=$2
root=$out/root
parts=supervisor/dist/deb
arch=$(dpkg --print-architecture)
# The same files make the same package.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}

# programs FLAGS...: of find
programs()
{
	find "$root/usr/bin" "$root/usr/libexec" -type f ! -name hold-cgroup "$@"
}

strip_programs()
{
	programs -exec \
		strip --strip-unneeded --remove-section=.comment --remove-section=.note {} +
}

# dpkg-shlibdeps wants a source package around it.
shlibs()
{
	mkdir -p "$out/shlibs/debian"
	printf 'Source: bulkhead\n\nPackage: bulkhead\nArchitecture: any\n' >"$out/shlibs/debian/control"
	(cd "$out/shlibs" && dpkg-shlibdeps -O "$@" 2>/dev/null) | sed -n 's/^shlibs:Depends=//p'
}

documents()
{
	local doc=$root/usr/share/doc/bulkhead

	install -D -m 644 $parts/copyright "$doc/copyright"
	install -D -m 644 $parts/lintian-overrides "$root/usr/share/lintian/overrides/bulkhead"
	{
		printf 'bulkhead (%s) unstable; urgency=medium\n\n  * As built.\n\n' "$version"
		printf ' -- the Bulkhead authors <authors@bulkhead.invalid>  %s\n' \
			"$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
	} | gzip -9n >"$doc/changelog.gz"
	chmod 644 "$doc/changelog.gz"
	find "$root/usr/share/man" -type f -exec gzip -9n {} +
}

control()
{
	local size depends script

	install -d -m 755 "$root/DEBIAN"
	size=$(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f 1)
	mapfile -t linked < <(programs ! -name shim)
	depends=$(shlibs "${linked[@]}")
	[ -n "$depends" ]
	sed -e "s|@VERSION@|$version|; s|@ARCH@|$arch|; s|@SIZE@|$size|; s|@SHLIBS@|$depends|" \
		$parts/control.in >"$root/DEBIAN/control"
	echo /etc/bulkhead/bulkhead.conf >"$root/DEBIAN/conffiles"
	(cd "$root" && find usr lib -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
	chmod 644 "$root"/DEBIAN/*
	for script in postinst prerm postrm; do
		install -m 755 $parts/$script "$root/DEBIAN/$script"
	done
}

[[ $version =~ ^[0-9][A-Za-z0-9.+~]*$ ]] || { echo "deb.sh: \"$version\" is no version of a package" >&2; exit 1; }
umask 022
rm -rf "$root" "$out/shlibs"
make -s install DESTDIR="$root" PREFIX=/usr UNITDIR=/lib/systemd/system
strip_programs
documents
control
dpkg-deb --root-owner-group -Zxz -b "$root" "$out/bulkhead_${version}_$arch.deb"
rm -rf "$root" "$out/shlibs"
