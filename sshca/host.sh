#!/bin/sh
# Makes sshd on this host take the certificates of the network @DOMAIN@.
# Run as root. Run a newer one at any time: it brings the host up to date.
# The braces make the shell read all of it before it does anything: one that was cut off on its way does nothing.
{
set -eu
export LC_ALL=C

folder=@FOLDER@
logins=@LOGINS@
user_ca=@USER_CA@
krl=@KRL@
drop_in=@DROP_IN@

fail() {
    echo "error: $1" >&2
    [ $# -lt 2 ] || echo "hint: $2" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "this needs root" "run it with sudo"
sshd=$(command -v sshd || echo /usr/sbin/sshd)
[ -x "$sshd" ] || fail "there is no sshd here" "install openssh-server"
mkdir -p /run/sshd

# Writes standard input (base64) to a file, whole or not at all.
put() {
    new=$(mktemp "$(dirname "$1")/.wardgate.XXXXXX")
    base64 -d >"$new" || { rm -f "$new"; fail "$1 could not be written"; }
    chmod "$2" "$new"
    sync "$new" 2>/dev/null || sync
    mv -f "$new" "$1"
}

# What sshd reads anew for each login.
put_files() {
    umask 022
    mkdir -p "$folder" "$logins" "$(dirname "$drop_in")"
    chmod 755 "$folder" "$logins"
@FILES@

    # Logins that have no entry of their own any more.
    for file in "$logins"/*; do
        [ -e "$file" ] || continue
        keep=no
        for login in @KEEP@; do
            [ "$(basename "$file")" != "$login" ] || keep=yes
        done
        [ "$keep" = yes ] || rm -f "$file"
    done
}

# A host that was set up before is told of revocations whatever its administrator has to mend.
state=", and nothing was changed"
[ ! -e "$drop_in" ] || { state=" as well, and what it reads of ours was brought up to date"; put_files; }

# sshd takes the first value that it meets, so one that is not ours stands in the way. Nothing is overridden.
effective=$("$sshd" -T) || fail "sshd does not accept its own configuration as it is" "look with: $sshd -t"
foreign=$(printf '%s\n' "$effective" | while read -r setting value; do
    case $setting in
        trustedusercakeys) ours=$user_ca ;;
        revokedkeys) ours=$krl ;;
        authorizedprincipalsfile) ours=$logins/%u ;;
        authorizedprincipalscommand) ours=none ;;
        *) continue ;;
    esac
    case $value in none | "$ours") ;; *) printf '%s is %s; ' "$setting" "$value" ;; esac
done)

# `sshd -T` shows no Match block. One that trusts another CA needs a list of principals of its own beside ours, and one
# with revocations of its own would let in whom we revoked, unless it trusts another CA.
# Each Include is read where it stands, in the block that it stands in (`model/foreign.py` does the same).
# A backslash in a path is taken as it is; sshd may take it for the mark of what follows.
etc=$(dirname "$(dirname "$drop_in")")
blocks=$(awk -v etc="$etc" -v user_ca="$user_ca" -v krl="$krl" '
    # Cuts a line: its setting into `key`, its values into `word`. Gives their number.
    function cut(line,    at, c, quote, open, n) {
        key = ""
        sub(/^[ \t\r]+/, "", line)
        if (!match(line, /^"?[^ \t\r="#][^ \t\r="]*"?/)) return 0
        key = tolower(substr(line, 1, RLENGTH))
        gsub(/"/, "", key)
        line = substr(line, RLENGTH + 1)
        sub(/^[ \t\r]*=?[ \t\r]*/, "", line)
        quote = ""
        for (at = 1; at <= length(line); at++) {
            c = substr(line, at, 1)
            if (quote == "" && c ~ /[ \t\r]/) { open = 0; continue }
            if (!open) {
                if (c == "#") break
                word[++n] = ""
                open = 1
            }
            if (c == quote) quote = ""
            else if (quote == "" && (c == "\"" || c == "\047")) quote = c
            else word[n] = word[n] c
        }
        return n + 0
    }
    # Adds the files that a pattern stands for to `files`. The shell knows them; all but the pattern is quoted for it.
    function add(pattern, files, n,    at, c, quoted, command, name) {
        if (pattern !~ /^\//) pattern = etc "/" pattern
        for (at = 1; at <= length(pattern); at++) {
            c = substr(pattern, at, 1)
            quoted = quoted "" (c ~ /[A-Za-z0-9]/ || index("_./*?[]!^-", c) ? c : "\\" c)
        }
        command = "for file in " quoted "; do [ ! -f \"$file\" ] || printf \"%s\\n\" \"$file\"; done"
        while ((command | getline name) > 0) files[++n] = name
        close(command)
        return n
    }
    function value(block, setting) {
        while (block && !((block, setting) in set)) block = outer[block]
        return block ? set[block, setting] : ""
    }
    function read(file, within, depth,    line, block, n, at, files, count) {
        block = within
        while ((getline line < file) > 0) {
            n = cut(line)
            if (key == "match") {
                block = ++blocks
                outer[block] = within
                criteria[block] = (within ? criteria[within] ", " : "") "Match"
                for (at = 1; at <= n; at++) criteria[block] = criteria[block] " " word[at]
            } else if (key == "include" && depth < 16) {
                count = 0
                for (at = 1; at <= n; at++) count = add(word[at], files, count)
                for (at = 1; at <= count; at++) read(files[at], block, depth + 1)
            } else if (block && n && value(block, key) == "") {
                set[block, key] = word[1]
                place[block, key] = file
            }
        }
        close(file)
    }
    function another(given, ours) {
        return given != "" && tolower(given) != "none" && given != ours
    }
    function tell(block, setting, ours) {
        if ((block, setting) in set && another(set[block, setting], ours))
            printf "%s is %s in %s, %s; ", setting, set[block, setting], place[block, setting], criteria[block]
    }
    BEGIN {
        ca = "trustedusercakeys"
        read(etc "/sshd_config", 0, 0)
        for (block = 1; block <= blocks; block++) {
            if (!another(value(block, "authorizedprincipalsfile"), "")) tell(block, ca, user_ca)
            if (!another(value(block, ca), user_ca)) tell(block, "revokedkeys", krl)
        }
    }')
foreign=$foreign$blocks

# What sshd reads at its start alone: the rest it reads anew for each login.
# What sshd was told of last is kept: a run that breaks off before the reload leaves it to the next.
at_start() { cat "$drop_in" "$folder"/*-cert.pub 2>/dev/null | cksum; }
told=$folder/.told
reload() {
    if [ "$(cat "$told" 2>/dev/null)" = "$(at_start)" ]; then :
    elif command -v systemctl >/dev/null 2>&1 && systemctl reload ssh 2>/dev/null; then :
    elif command -v systemctl >/dev/null 2>&1 && systemctl reload sshd 2>/dev/null; then :
    elif [ -s /run/sshd.pid ] && kill -HUP "$(cat /run/sshd.pid)" 2>/dev/null; then :
    else echo "note: reload sshd so that it reads $drop_in" >&2
    fi
    at_start >"$told"
}

if [ -n "$foreign" ]; then
    [ ! -e "$drop_in" ] || reload
    fail "sshd on this host was set up by another$state: ${foreign%; }" "@MERGE@"
fi
[ -e "$drop_in" ] || put_files

before=$(mktemp "$folder/.before.XXXXXX")
trap 'rm -f "$before"' EXIT
had=no
[ ! -e "$drop_in" ] || { cp -p "$drop_in" "$before"; had=yes; }
put "$drop_in" 644 <<'END'
@CONFIG@
END
undo() {
    if [ "$had" = yes ]; then mv -f "$before" "$drop_in"; else rm -f "$drop_in"; fi
}
"$sshd" -t || { undo; fail "sshd refuses the new configuration; the old one is back"; }
"$sshd" -T | grep -qixF "trustedusercakeys $user_ca" || {
    undo
    fail "sshd does not read $drop_in" "put this first in sshd_config: Include $(dirname "$drop_in")/*.conf"
}

reload
echo "this host trusts @DOMAIN@"
}
