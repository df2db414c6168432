# SPDX-License-Identifier: MIT
# fish completion for ctl: commands and flags as --help lists them, containers and images as the engine does.

function __ctl_commands
    ctl --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\)  *\(.*\)/\1\t\2/p'
end

function __ctl_flags
    ctl (commandline -opc)[2] --help 2>/dev/null | sed -n 's/^  .*\(--[a-z0-9-]*\).*/\1/p'
end

function __ctl_containers
    ctl ps $argv --format '{{.Names}}' 2>/dev/null
end

function __ctl_images
    ctl images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null
end

complete -c ctl -n __fish_use_subcommand -f -a '(__ctl_commands)'
complete -c ctl -n 'not __fish_use_subcommand; and string match -q -- "-*" (commandline -ct)' -f -a '(__ctl_flags)'
complete -c ctl -n '__fish_seen_subcommand_from run create pull rmi inspect' -a '(__ctl_images)'
complete -c ctl -n '__fish_seen_subcommand_from start rm logs wait restart inspect' -f -a '(__ctl_containers -a)'
complete -c ctl -n '__fish_seen_subcommand_from stop kill exec attach' -f -a '(__ctl_containers)'
