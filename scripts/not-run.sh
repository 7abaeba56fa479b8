# For the scripts that test one language: what to do when its tools cannot be had on this machine. Sourced, not run.
#
#   not_run LANGUAGE REASON    says so by name, and ends the script: with status 77 when ALLOW_NOT_RUN names the language, else with
#                              failure
#
# ALLOW_NOT_RUN is a list of languages, separated by commas or blanks: c, c++, python, kotlin, swift.

allowed_not_run() { # allowed_not_run LANGUAGE
    local name
    for name in $(tr , " " <<<"${ALLOW_NOT_RUN:-}"); do
        [ "$name" = "$1" ] && return 0
    done
    return 1
}

not_run() { # not_run LANGUAGE REASON
    echo "NOT RUN: $1: $2" >&2
    if allowed_not_run "$1"; then exit 77; fi
    echo "NOT RUN: to go on without it, set ALLOW_NOT_RUN=$1" >&2
    exit 1
}
