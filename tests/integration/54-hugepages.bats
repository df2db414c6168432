#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# --hugepage-limit: read back from the kernel, and in force.

bats_require_minimum_version 1.5.0

IMAGES="busybox debian"
. "$BATS_TEST_DIRNAME/../lib/containers.sh"

setup()
{
	bb=$REGISTRY/busybox
	pages=/proc/sys/vm/nr_hugepages
	had=$(cat $pages 2>/dev/null) || had=
	[ -n "$(find /sys/fs/cgroup -maxdepth 3 -path "*/$ENGINE_NAME/hugetlb.2MB.*" -print -quit)" ] ||
		skip "this host limits no huge pages"
}

teardown()
{
	[ -z "$had" ] || echo "$had" >$pages
	engine_unchanged
}

# hugepages ID SIZE: limits of pages that are used, and of those that are reserved
hugepages()
{
	first_file "$1" hugetlb "hugetlb.$2.limit_in_bytes" "hugetlb.$2.max"
	first_file "$1" hugetlb "hugetlb.$2.rsvd.limit_in_bytes" "hugetlb.$2.rsvd.max"
}

@test "limits of huge pages are read back from the kernel, changed, and taken away" {
	id=$(ctl run -d --name some --hugepage-limit 2MB=4m "$bb" sleep 600)
	[ "$(hugepages "$id" 2MB | xargs)" = "4194304 4194304" ]
	[ "$(host_config some HugepageLimits)" = '[{"PageSize":"2MB","Limit":4194304}]' ]
	[ "$(ctl exec some cat /proc/self/limits | grep -c '^Max')" -gt 1 ]
	ctl update --hugepage-limit 2m=0 some
	[ "$(hugepages "$id" 2MB | xargs)" = "0 0" ]
	ctl restart -t 0 some
	[ "$(hugepages "$id" 2MB | xargs)" = "0 0" ]
	[ "$(host_config some HugepageLimits)" = '[{"PageSize":"2MB","Limit":0}]' ]
	# An update of something else leaves them.
	ctl update -m 64m some
	[ "$(hugepages "$id" 2MB | xargs)" = "0 0" ]
	ctl update --hugepage-limit 2MB=-1 some
	[[ "$(hugepages "$id" 2MB | xargs)" =~ ^(max max|922337203685[0-9]{7} 922337203685[0-9]{7})$ ]]
	[ "$(host_config some HugepageLimits)" = '[]' ]
	ctl rm -f some
}

@test "what holds no limit of them has no group where there is nothing else, and can't get one late" {
	id=$(ctl run -d --name none "$bb" sleep 600)
	[ "$(host_config none HugepageLimits)" = '[]' ]
	run ctl update --hugepage-limit 2MB=4m none
	if [ -d "/sys/fs/cgroup/unified/$ENGINE_NAME" ]; then
		[ ! -e "/sys/fs/cgroup/unified/$ENGINE_NAME/$id" ]
		[ "$status" = 1 ]
		[[ $output == *"the container was started without a limit of them" ]]
		[ "$(host_config none HugepageLimits)" = '[]' ]
	else
		[ "$status" = 0 ]
		[ "$(hugepages "$id" 2MB | xargs)" = "4194304 4194304" ]
	fi
	ctl rm -f none
}

@test "a container gets so many huge pages, and no more" {
	echo $((had + 8)) >$pages
	[ "$(cat $pages)" -ge $((had + 8)) ] || skip "this machine has no room for huge pages"
	# 0x40000 is MAP_HUGETLB, 0x22 private and anonymous.
	map='import mmap, sys
for size in sys.argv[1:]:
	try:
		m = mmap.mmap(-1, int(size) << 20, flags=0x40022)
		m[0] = 1
		print(size, "ok")
		m.close()
	except OSError as e:
		print(size, e.strerror)'
	ctl pull -q "$REGISTRY/debian:12"
	run ctl run --rm --hugepage-limit 2MB=4m "$REGISTRY/debian:12" python3 -c "$map" 2 4 6 2
	[ "$output" = "2 ok
4 ok
6 Cannot allocate memory
2 ok" ]
	run ctl run --rm --hugepage-limit 2MB=0 "$REGISTRY/debian:12" python3 -c "$map" 2
	[ "$output" = "2 Cannot allocate memory" ]
	run ctl run --rm "$REGISTRY/debian:12" python3 -c "$map" 6
	[ "$output" = "6 ok" ]
}

@test "a limit that can't be held is refused, and the nearest that can is named" {
	run -125 ctl run --rm --hugepage-limit 2MB=3m "$bb" true
	[[ $output == *'"3m"'*2097152* ]]
	run -125 ctl run --rm --hugepage-limit 32MB=32m "$bb" true
	[[ $output == *" huge pages: this host has none of that size, or "* ]]
	for word in 2MB 2MB= 3MB=3m 2MB=-2 =2m; do
		run -125 ctl run --rm --hugepage-limit "$word" "$bb" true
		[ "${#lines[@]}" -le 2 ]
	done
	[ -z "$(ctl ps -aq)" ]
}
