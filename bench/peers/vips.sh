#!/bin/sh
# vipsthumbnail under xargs, as its own documentation suggests: two processes at a time, FILES of them each.
#
#     vips.sh SOURCE OUT EXTENSION WORKERS FILES
#
# One thread each (VIPS_CONCURRENCY=1): with two processes on two cores more threads only get in each other's way.
# It writes to the final name directly, which our job does not: the peer is spared a rename a file.
set -eu
case "$3" in
    png) options="" ;;
    *) options="[Q=85]" ;;
esac
find "$1" -name '*.jpg' -print0 | sort -z |
    VIPS_CONCURRENCY=1 xargs -0 -P "$4" -n "$5" vipsthumbnail --size 256x256 -o "$2/%s.$3$options"
