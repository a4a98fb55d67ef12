_odradek() {
    local IFS=$'\n'
    COMPREPLY=($(odradek --complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    compopt -o default 2>/dev/null
}
complete -F _odradek odradek
