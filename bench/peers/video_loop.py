"""The loop that people write: decode, effects, encode, one frame after the other in one process.

usage: python -m bench.peers.video_loop SOURCE TARGET THREADS
THREADS is that of decoder and encoder, 0 what FFmpeg chooses.
"""

from __future__ import annotations

import sys

import av

from bench.peers.effects import effects


def main(source: str, target: str, threads: int) -> None:
    with av.open(source) as inside, av.open(target, "w", options={"movflags": "+faststart"}) as outside:
        video = inside.streams.video[0]
        if threads:
            video.thread_count = threads
        else:
            video.thread_type = "AUTO"
        stream = outside.add_stream("libx264", rate=video.average_rate, options={"preset": "veryfast", "crf": "23"})
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = video.width // 2, video.height // 2, "yuv420p"
        context.time_base = video.time_base
        context.thread_count = threads
        for frame in inside.decode(video):
            made = av.VideoFrame.from_ndarray(effects(frame.to_ndarray(format="rgb24")), format="rgb24")
            made.pts, made.time_base = frame.pts, frame.time_base
            outside.mux(stream.encode(made))
        outside.mux(stream.encode(None))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
