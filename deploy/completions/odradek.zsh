#compdef odradek
_odradek() {
    local -a found
    found=("${(@f)$(odradek --complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
compdef _odradek odradek
