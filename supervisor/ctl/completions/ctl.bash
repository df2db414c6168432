# SPDX-License-Identifier: MIT
# bash completion for ctl, which knows by itself what may stand where: `ctl __complete`.

_ctl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD line out

	# References and CONTAINER:PATH hold colons, NAME=VALUE an equals sign: both end a word for readline.
	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n := cur words cword
	fi
	COMPREPLY=()
	out=$(command "${words[0]/#~/$HOME}" __complete "${words[@]:1:cword}" 2>/dev/null)
	while IFS= read -r line; do
		case $line in
		'') ;;
		:files)
			[ ${#COMPREPLY[@]} != 0 ] || compopt -o filenames
			mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur")
			;;
		*)
			line=${line%%$'\t'*}
			COMPREPLY+=("$line")
			[[ $line != *: ]] || compopt -o nospace
			;;
		esac
	done <<<"$out"
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$cur"
	fi
}

complete -F _ctl ctl
