#!/bin/sh
# ImageMagick's mogrify under xargs: two processes at a time, FILES of them each, one thread each.
#
#     magick.sh SOURCE OUT EXTENSION WORKERS FILES
#
# jpeg:size lets libjpeg shrink while it decodes, to twice the size that is wanted: as our job does.
set -eu
find "$1" -name '*.jpg' -print0 | sort -z |
    MAGICK_THREAD_LIMIT=1 xargs -0 -P "$4" -n "$5" \
        mogrify -define jpeg:size=512x512 -auto-orient -resize 256x256 -quality 85 -sampling-factor 4:2:0 \
        -strip -format "$3" -path "$2"
