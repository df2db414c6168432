# SPDX-License-Identifier: MIT
# bash completion for ctl: commands and flags as --help lists them, containers and images as the engine does.

_ctl_commands()
{
	ctl --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

_ctl_flags()
{
	ctl "$1" --help 2>/dev/null | sed -n 's/^  .*\(--[a-z0-9-]*\).*/\1/p'
}

_ctl_containers()
{
	ctl ps "$@" --format '{{.Names}}' 2>/dev/null
}

_ctl_images()
{
	ctl images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null
}

_ctl_words()
{
	case $1 in
	run | create) _ctl_images ;;
	pull | rmi) _ctl_images ;;
	start | rm | logs | wait | restart) _ctl_containers -a ;;
	stop | kill | exec | attach) _ctl_containers ;;
	inspect) _ctl_containers -a; _ctl_images ;;
	esac
}

_ctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}

	# References hold colons, which end a word for readline.
	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n : cur
	fi
	if [ "$COMP_CWORD" = 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_ctl_commands)" -- "$cur")
	elif [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_ctl_flags "$command")" -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -W "$(_ctl_words "$command")" -- "$cur")
	fi
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$cur"
	fi
}
complete -o default -F _ctl ctl
