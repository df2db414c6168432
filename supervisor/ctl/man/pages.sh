#!/bin/sh
# SPDX-License-Identifier: MIT
#
# pages.sh BIN OUT: the man pages of the programs in BIN, into OUT. Names, usage, flags and what they do are what
# --help prints, and so the tables that parse them; what no table knows is beside this script, in COMMAND.roff: the
# description, and sections behind the options.
set -eu

bin=$1
out=$2
here=$(dirname "$0")
version=$("$bin/ctl" --version | cut -d ' ' -f 2)

# Text for troff: no escape, no request.
plain()
{
	sed -e 's/\\/\\e/g' -e "s/^[.']/\\\\\\&&/" -e 's/-/\\-/g'
}

# Flags as help lists them: "  -n, --last N      what it does". A value is one word, behind one space.
options()
{
	plain | sed -nE 's/^ +((\\-[a-zA-Z0-9], )?\\-(\\-)?[a-zA-Z0-9\-]+)( [A-Z[][^ ]*)? +(.*)$/.TP\n\\fB\1\\fR\\fI\4\\fR\n\\\&\5/p'
}

# before|behind FILE: what stands before its first section, and from there on
before()
{
	sed '/^\.SH/,$d' "$1"
}

behind()
{
	sed -n '/^\.SH/,$p' "$1"
}

heading()
{
	printf '.\\" Made by pages.sh.\n.TH "%s" %s "" "Bulkhead %s" "Bulkhead"\n.SH NAME\n%s \\- %s\n' \
		"$(printf %s "$1" | tr '[:lower:]' '[:upper:]')" "$2" "$version" "$(printf %s "$1" | plain)" "$3"
}

exit_status()
{
	echo '.SH EXIT STATUS'
	case $1 in
	run|start|exec|attach) cat "$here/exit-workload.roff" ;;
	*) cat "$here/exit-object.roff" ;;
	esac
}

# page COMMAND SUMMARY
page()
{
	name=ctl-$(printf %s "$1" | tr ' ' -)
	text=$here/${name#ctl-}.roff
	# shellcheck disable=SC2086
	help=$("$bin/ctl" $1 --help)
	heading "$name" 1 "$(printf %s "$2" | sed 's/^./\L&/' | plain)"
	printf '.SH SYNOPSIS\n.B ctl %s\n' "$1"
	printf '%s\n' "$help" | sed -n "1s/^Usage: ctl $1 *//p" | plain
	echo '.SH DESCRIPTION'
	if [ -e "$text" ]; then
		before "$text"
	else
		printf '%s.\n' "$2" | plain
	fi
	if printf '%s\n' "$help" | grep -q '^Flags:'; then
		echo '.SH OPTIONS'
		printf '%s\n' "$help" | options
	fi
	grep -qs '^\.SH EXIT STATUS' "$text" || exit_status "$1"
	[ ! -e "$text" ] || behind "$text"
	printf '.SH SEE ALSO\n.BR ctl (1),\n.BR supervisor (8)\n'
}

commands()
{
	"$bin/ctl" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\( [a-z][a-z]*\)\{0,1\}\)  *\([A-Z].*\)/\1	\3/p'
}

overview()
{
	heading ctl 1 'run containers with Bulkhead'
	printf '.SH SYNOPSIS\n.B ctl\n[\\fB\\-\\-socket\\fR \\fIPATH\\fR] \\fICOMMAND\\fR ...\n.SH DESCRIPTION\n'
	before "$here/ctl.roff"
	echo '.SH COMMANDS'
	commands | while IFS='	' read -r command summary; do
		printf '.TP\n.BR ctl\\-%s (1)\n' "$(printf %s "$command" | tr ' ' - | plain)"
		printf '%s.\n' "$summary" | plain
	done
	echo '.SH OPTIONS'
	"$bin/ctl" --help | sed -n '/^Flags:/,/^$/p' | options
	behind "$here/ctl.roff"
}

engine()
{
	heading supervisor 8 'the engine that runs containers'
	printf '.SH SYNOPSIS\n.B supervisor\n[\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n'
	before "$here/supervisor.roff"
	echo '.SH OPTIONS'
	"$bin/supervisor" --help | grep -v -- ' internal: ' | options
	behind "$here/supervisor.roff"
}

mkdir -p "$out"
overview >"$out/ctl.1"
engine >"$out/supervisor.8"
{
	heading bulkhead.conf 5 'who may do what with a Bulkhead engine'
	cat "$here/bulkhead.conf.roff"
} >"$out/bulkhead.conf.5"
commands | while IFS='	' read -r command summary; do
	page "$command" "$summary" >"$out/ctl-$(printf %s "$command" | tr ' ' -).1"
done
