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

# `sshd -T` shows no Match block. One that trusts another CA needs a list of principals of its own beside ours.
etc=$(dirname "$(dirname "$drop_in")")
patterns=$(awk -F '[ \t="]+' '{ sub(/^[ \t]+/, "") } tolower($1) == "include" { $1 = ""; print }' "$etc/sshd_config")
included=$(cd "$etc" && for file in $patterns; do [ ! -f "$file" ] || echo "$file"; done)
blocks=$(cd "$etc" && awk -F '[ \t="]+' -v ours="$user_ca" '
    function ends() {
        if (ca != "" && !own) printf "trustedusercakeys is %s in %s, %s; ", ca, file, block
        ca = own = block = ""
    }
    { sub(/^[ \t]+/, ""); setting = tolower($1) }
    FNR == 1 { ends(); file = FILENAME }
    setting == "match" { ends(); block = $0 }
    block != "" && setting == "trustedusercakeys" && $2 != "none" && $2 != ours && ca == "" { ca = $2 }
    block != "" && setting == "authorizedprincipalsfile" && $2 != "none" { own = 1 }
    END { ends() }
' "$etc/sshd_config" $included)
foreign=$foreign$blocks
[ -z "$foreign" ] || fail "sshd on this host was set up by another, and nothing was changed: ${foreign%; }" "@MERGE@"

# What sshd reads at its start alone: the rest it reads anew for each login.
# What sshd was told of last is kept: a run that breaks off before the reload leaves it to the next.
at_start() { cat "$drop_in" "$folder"/*-cert.pub 2>/dev/null | cksum; }
told=$folder/.told

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

if [ "$(cat "$told" 2>/dev/null)" = "$(at_start)" ]; then :
elif command -v systemctl >/dev/null 2>&1 && systemctl reload ssh 2>/dev/null; then :
elif command -v systemctl >/dev/null 2>&1 && systemctl reload sshd 2>/dev/null; then :
elif [ -s /run/sshd.pid ] && kill -HUP "$(cat /run/sshd.pid)" 2>/dev/null; then :
else echo "note: reload sshd so that it reads $drop_in" >&2
fi
at_start >"$told"
echo "this host trusts @DOMAIN@"
}
