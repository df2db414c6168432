# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# docker's table of what cp makes of what there is, and what tries its lines, each way. Sourced behind visit.sh.

# What SRC is, where it goes, and what is there afterwards (names, ':' and the contents of files), or = and words of the
# error. The same holds both ways: the tree that is copied from has f, d (with g and s/h), lf -> f, ld -> d; the one that is
# copied to has F, D (with f, a file) and E (with d, a directory that holds old), LF -> F, LD -> D, LN -> N.
table='
f       N          N:f
f       N/         =does not exist
f       M/N        =does not exist
f       F          F:f
f       D          D/f:f
f       D/         D/f:f
f       D/.        D/f:f
f       LF         F:f LF->F
f       LD         D/f:f LD->D
f       LN         N:f LN->N
f       F/         =ot a directory
f/      N          =ot a directory
f/.     N          =ot a directory
none    N          =no such file
d       N          N/g:g N/s/h:h
d       N/         N/g:g N/s/h:h
d       M/N        =does not exist
d       F          =a directory can.t be copied to a file
d       D          D/d/g:g D/d/s/h:h D/f:old
d/      D          D/d/g:g D/d/s/h:h D/f:old
d/.     D          D/f:old D/g:g D/s/h:h
d/.     N          N/g:g N/s/h:h
d/.     F          =a directory can.t be copied to a file
d       E          E/d/g:g E/d/old:old E/d/s/h:h
d       LD         D/d/g:g D/d/s/h:h D/f:old LD->D
d/f     N          =no such file
d/g     E/d        E/d/g:g E/d/old:old
lf      N          N->f
lf      D          D/f:old D/lf->f
-L&lf   N          N:f
-L&lf   D          D/f:old D/lf:f
ld      N          N->d
ld/     N          N/g:g N/s/h:h
ld/     D          D/f:old D/ld/g:g D/ld/s/h:h
-L&ld   D          D/f:old D/ld/g:g D/ld/s/h:h
ld/.    D          D/f:old D/g:g D/s/h:h
d/../f  N          N:f
d/s/..  N          N/g:g N/s/h:h
f       E/d/old/x  =ot a directory
x:y     N          N:colon
'
make_from='mkdir from; cd from; printf f >f; mkdir -p d/s; printf g >d/g; printf h >d/s/h; ln -s f lf; ln -s d ld; printf colon >x:y'
make_to='rm -rf to; mkdir to; cd to; printf F >F; mkdir -p D E/d; printf old >D/f; printf old >E/d/old; ln -s F LF; ln -s D LD; ln -s N LN'
# What it looks like now, of what a copy may have changed.
look='cd to; find . ! -type d | sed s,^./,, | sort | while read -r n; do
	if [ -L "$n" ]; then echo "$n->$(readlink "$n")"; else echo "$n:$(cat "$n")"; fi; done'

# expected WANTED: of a line of the table, with what is there anyway
expected()
{
	local w names=" $1 "

	for w in $1; do echo "$w"; done
	for w in F:F D/f:old E/d/old:old "LF->F" "LD->D" "LN->N"; do
		# What the copy wrote to or replaced has another line.
		[[ "$names" == *" ${w%%[:-]*}"[:-]* ]] || echo "$w"
	done
}

# table_line FROM-PREFIX TO-PREFIX: one line, in $src $dst $want; LOOK and RESET are commands
table_line()
{
	local flags=() got=0

	if [[ "$src" == *"&"* ]]; then
		flags=("${src%&*}")
		src=${src#*&}
	fi
	$RESET
	run ctl cp "${flags[@]}" "$1$src" "$2$dst"
	if [[ "$want" == =* ]]; then
		[ "$status" = 1 ] && [ "${#lines[@]}" = 1 ] && grep -q "${want#=}" <<<"$output" || got=1
		want=
	else
		[ "$status" = 0 ] && [ "$output" = "" ] || got=1
	fi
	expected "$want" | sort >"$dir/want"
	$LOOK >"$dir/got"
	if [ $got = 1 ] || ! diff "$dir/want" "$dir/got"; then
		echo "cp ${flags[*]} $1$src $2$dst: $status $output"
		return 1
	fi
}

every_line()
{
	local failed=0 src dst want

	while read -r src dst want; do
		[ -z "$src" ] || table_line "$@" || failed=1
	done <<<"$table"
	return $failed
}

reset_here() { (eval "$make_to"); }
look_here() { (eval "$look"); }
reset_there() { ctl exec c sh -c "cd /w; $make_to"; }
look_there() { ctl exec c sh -c "cd /w; $look"; }
