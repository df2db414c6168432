# SPDX-License-Identifier: MIT
#
# Completions in the shells that they are for: what may follow, with the names that the engine knows.

bats_require_minimum_version 1.5.0

. "$BATS_TEST_DIRNAME/../lib/engine.sh"

setup_file()
{
	export SCRIPTS=$BATS_TEST_DIRNAME/../../supervisor/ctl/completions
	export TERMINAL=$BATS_TEST_DIRNAME/../lib/terminal.py
	engine_start && engine_images busybox || return 1
	export PATH=$engine_bin:$PATH
	ctl run -d --name upward "$REGISTRY/busybox" sleep 1000
	ctl create --name uncalled "$REGISTRY/busybox" true
}

teardown_file()
{
	engine_stop
}

says()
{
	command ctl __complete "$@" | cut -f 1 | xargs
}

@test "ctl: commands, flags, values, and names of what there is" {
	[ "$(says star)" = start ]
	[ "$(says '' | tr ' ' '\n' | grep -c '^\(run\|system\|help\)$')" = 3 ]
	[ "$(says system '')" = "df prune" ]
	[ "$(says help system '')" = "df prune" ]
	[ "$(says stop u)" = upward ]
	[ "$(says rm u)" = "uncalled upward" ]
	[ "$(says rm -f uncalled u)" = "uncalled upward" ]
	[ "$(says logs upward u)" = "" ]
	[ "$(says inspect u)" = "uncalled upward" ]
	[ "$(says inspect "$REGISTRY")" = "$REGISTRY/busybox:latest" ]
	[ "$(says run -it --name x "$REGISTRY")" = "$REGISTRY/busybox:latest" ]
	[ "$(says run image -)" = "" ]
	[ "$(says run --network h)" = host ]
	[ "$(says run --restart=no --pull ne)" = never ]
	[ "$(says run -dp u)" = "" ]
	[ "$(says run --rootfs /)" = :files ]
	[ "$(says cp up)" = "upward: :files" ]
	[ "$(says ps --al)" = --all ]
	[ "$(says ps -- --al)" = "" ]
	[ "$(says --socket)" = "--socket" ]
	[ "$(says --socket /nowhere stop u)" = "" ]
	[ "$(BULKHEAD_SOCKET=/nowhere says --socket "$BULKHEAD_SOCKET" stop u)" = upward ]
	[ "$(says no-such u)" = "" ]
	[ "$(says)" = "" ]
	run command ctl __complete --socket /nowhere stop ''
	[ "$status" = 0 ]
	[ "$output" = "" ]
}

@test "ctl: every flag of every command's help is offered, and nothing else" {
	while read -r command; do
		# shellcheck disable=SC2086
		diff <(command ctl __complete $command - | cut -f 1 | grep -- -- | sort) \
			<({ echo '  --help'; command ctl $command --help; } | grep -oE '^( *-., )? *--[a-z0-9-]+' |
				grep -oE -- '--.*' | sort)
	done < <(command ctl --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\( [a-z]*\)\{0,1\}\) .*/\1/p')
}

# at_prompt SHELL TYPED WANTED: with a tab behind what is typed, WANTED appears
at_prompt()
{
	local typed=${2// /\\s}

	# terminal.py's patience is for one program, not for shells that load all they have on a busy machine.
	for _ in 1 2 3; do
		"$TERMINAL" "wait:ready> type:$typed\\t wait:$3 kill:9" -- $1 && return 0
	done
	return 1
}

each_shell()
{
	at_prompt "$1" 'ctl resta' 'ctl\srestart'
	at_prompt "$1" 'ctl stop u' 'ctl\sstop\supward'
	at_prompt "$1" 'ctl ps --no-t' '--no-trunc'
	at_prompt "$1" "ctl rmi $REGISTRY/bus" "box:latest"
	at_prompt "$1" 'ctl cp upw' 'ard:'
	at_prompt "$1" 'ctl run --env-file /etc/pas' '/etc/passwd'
	at_prompt "$1" 'ctl rm u' 'uncalled'
}

@test "bash" {
	printf '%s\n' '. /usr/share/bash-completion/bash_completion' ". $SCRIPTS/ctl.bash" 'PS1="ready> "' \
		"bind 'set show-all-if-ambiguous on'" "bind 'set enable-bracketed-paste off'" >"$BATS_TEST_TMPDIR/rc"
	each_shell "bash --noprofile --rcfile $BATS_TEST_TMPDIR/rc -i"
}

@test "bash without bash-completion" {
	run bash --norc -c ". $SCRIPTS/ctl.bash; COMP_WORDS=(ctl rm u) COMP_CWORD=2; _ctl; echo \${COMPREPLY[*]}"
	[ "$output" = "uncalled upward" ]
}

@test "zsh" {
	printf '%s\n' 'PS1="ready> "' "fpath=($SCRIPTS \$fpath)" 'autoload -Uz compinit' \
		"compinit -u -d $BATS_TEST_TMPDIR/dump" 'unsetopt prompt_sp prompt_cr' >"$BATS_TEST_TMPDIR/.zshrc"
	export ZDOTDIR=$BATS_TEST_TMPDIR TERM=dumb
	each_shell "zsh -d -i"
}

@test "fish" {
	fish_says()
	{
		XDG_CONFIG_HOME=$BATS_TEST_TMPDIR XDG_DATA_HOME=$BATS_TEST_TMPDIR fish --no-config \
			-c "source $SCRIPTS/ctl.fish; complete -C '$1'" | cut -f 1 | xargs
	}
	[ "$(fish_says 'ctl resta')" = restart ]
	[ "$(fish_says 'ctl stop u')" = upward ]
	[ "$(fish_says 'ctl rm u')" = "uncalled upward" ]
	[ "$(fish_says 'ctl ps --no-t')" = --no-trunc ]
	[ "$(fish_says "ctl rmi $REGISTRY/bus")" = "$REGISTRY/busybox:latest" ]
	[ "$(fish_says 'ctl cp upw')" = upward: ]
	[ "$(fish_says "ctl run --env-file $SCRIPTS/ctl.fi")" = "$SCRIPTS/ctl.fish" ]
}
