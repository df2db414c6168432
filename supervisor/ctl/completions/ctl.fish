# SPDX-License-Identifier: MIT
# fish completion for ctl, which knows by itself what may stand where: `ctl __complete`.

function __ctl_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end

complete -c ctl -f -a '(__ctl_complete)'
