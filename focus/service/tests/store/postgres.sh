# A PostgreSQL server for as long as standard input is open, reached by a socket in a folder of its own, which is the one
# line on standard output. However the test ends, its end of the pipe closes, and nothing is left behind.
# $1: folder of PostgreSQL's programs.
set -eu
umask 077
folder=$(mktemp -d "${TMPDIR:-/tmp}/hanse-postgres-XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap '' INT
cd "$folder"
"$1/initdb" --pgdata=data --username=hanse --auth=trust --encoding=UTF8 --no-locale --no-sync >log 2>&1 ||
    { cat log >&2; exit 1; }
"$1/pg_ctl" --pgdata=data --log=log --wait --options="-c listen_addresses='' -c unix_socket_directories='$folder'" \
    start >pg_ctl.log 2>&1 || { cat pg_ctl.log log >&2; exit 1; }
echo "$folder"
cat >/dev/null
"$1/pg_ctl" --pgdata=data --mode=immediate stop >/dev/null
