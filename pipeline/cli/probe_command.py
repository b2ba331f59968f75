"""`pipeline probe`: what a file holds, before anything is decoded."""

from __future__ import annotations

from typing import Any

import click

from . import options, text

HEAD_NBYTES = 32


@click.command(short_help="Show what a video, picture or archive holds.")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--frames", is_flag=True, help="List every frame: index, time stamp, key frame, bytes.")
@options.JSON
def command(files: tuple[str, ...], frames: bool, as_json: bool) -> None:
    """Show streams, frames, time, colour and warnings of FILES; no pixel of a picture is decoded."""
    from ..errors import ItemError

    told = []
    for path in files:
        try:
            told.append(_probe(path))
        except (ItemError, OSError) as error:
            told.append({"file": path, "error": str(error)})
        if not frames:
            told[-1].pop("frames", None)
    if as_json:
        text.print_json({"files": told})
    else:
        for each in told:
            _show(each)
    if any("error" in each for each in told):
        click.get_current_context().exit(1)


def _probe(path: str) -> dict[str, Any]:
    """A picture by its codec, all else by the readers that know files of other kinds."""
    from .. import registry
    from ..errors import MissingCodec

    with open(path, "rb") as file:
        head = file.read(HEAD_NBYTES)
        for name in registry.names("codec"):
            codec = registry.load(registry.resolve("codec", name))()
            if not codec.last_resort and codec.matches(head):
                return _picture(path, name, codec, head + file.read())
    for name in registry.names("reader"):
        told: dict[str, Any] | None = registry.load(registry.resolve("reader", name)).probe(path)
        if told is not None:
            return told
    raise MissingCodec("is neither a picture, nor a video or an archive of a known format")


def _picture(path: str, name: str, codec: Any, data: bytes) -> dict[str, Any]:
    codec.open()
    try:
        header = codec.header(memoryview(data))
    finally:
        codec.close()
    spec, beside = header.spec, header.metadata
    return {
        "file": path, "format": name, "nbytes": len(data),
        "picture": {
            "width": spec.width, "height": spec.height, "model": spec.model, "dtype": spec.dtype,
            "orientation": spec.orientation, "frames": header.frames,
            "icc_nbytes": len(beside.icc), "exif_nbytes": len(beside.exif), "xmp_nbytes": len(beside.xmp),
            "iptc_nbytes": len(beside.iptc), "density": [round(each, 2) for each in beside.density],
        },
        "warnings": [f"turned: EXIF orientation {spec.orientation}"] if spec.orientation != 1 else [],
    }  # fmt: skip


def _echo(line: str) -> None:
    """A line whose words come from the file: what a terminal would obey becomes escapes."""
    click.echo(text.shown(line))


def _show(told: dict[str, Any]) -> None:
    _echo(told["file"])
    if "error" in told:
        _echo(f"  {told['error']}")
        return
    if "picture" in told:
        _show_picture(told)
    elif "members" in told:
        members, pictures = text.plural(told["members"], "member"), text.plural(told["pictures"], "picture")
        _echo(f"  {told['format']}, {text.size(told['nbytes'])}: {members}, {pictures}")
    else:
        _show_streams(told)
    for warning in told["warnings"]:
        _echo(f"  ! {warning}")
    for frame in told.get("frames", ()):
        at = "no time stamp" if frame["pts"] is None else f"{frame['seconds']:.6f} s  pts {frame['pts']}"
        _echo(f"  frame {frame['index']:>6}  {at}  {frame['nbytes']:,} bytes{'  key' if frame['key'] else ''}")


def _show_picture(told: dict[str, Any]) -> None:
    picture = told["picture"]
    size = f"{picture['width']}x{picture['height']}"
    _echo(f"  {told['format']}, {text.size(told['nbytes'])}: {size} {picture['model']} {picture['dtype']}")
    beside = [
        f"{name} {picture[name + '_nbytes']} bytes" for name in ("icc", "exif", "xmp") if picture[name + "_nbytes"]
    ]
    if picture["frames"] > 1:
        beside.insert(0, f"{picture['frames']} frames or pages")
    if beside:
        _echo(f"  {', '.join(beside)}")


def _show_streams(told: dict[str, Any]) -> None:
    _echo(f"  {told['format']}, {text.size(told['nbytes'])}, {told['seconds']:.3f} s")
    for key, value in told["metadata"].items():
        _echo(f"  {key}: {value}")
    for stream in told["streams"]:
        _echo(f"  stream {stream['index']}: {_stream_line(stream)}")
    for chapter in told["chapters"]:
        _echo(f"  chapter {chapter['start_s']:.3f} to {chapter['end_s']:.3f} s: {chapter['title']}")
    if "video" in told:
        _show_video(told["video"])


def _stream_line(stream: dict[str, Any]) -> str:
    parts = [stream["type"], stream["codec"] or "unknown codec"]
    if "width" in stream:
        parts.append(f"{stream['width']}x{stream['height']}" + (" (cover picture)" if stream["cover"] else ""))
    if "channels" in stream:
        parts.append(f"{stream['sample_rate']} Hz, {text.plural(stream['channels'], 'channel')}")
    if stream["language"]:
        parts.append(stream["language"])
    if stream.get("start_s"):
        parts.append(f"starts at {stream['start_s']:.3f} s")
    return " ".join(parts)


def _show_video(video: dict[str, Any]) -> None:
    colour = video["colour"]
    _echo(
        f"  video {video['width']}x{video['height']} {video['pixel_format']}, {video['bits']} bits,"
        f" matrix {colour['matrix']}, primaries {colour['primaries']}, transfer {colour['transfer']},"
        f" {colour['range']} range"
    )
    rate = f"average rate {video['average_rate']}, " if video["average_rate"] else ""
    _echo(
        f"  {text.plural(video['frame_count'], 'frame')}, {rate}time base {video['time_base']},"
        f" {text.plural(video['key_frames'], 'key frame')}, at most {video['longest_key_distance']} frames apart"
    )
    distances = ", ".join(f"{1000 * seconds:.3f} ms x {count:,}" for seconds, count in video["distances_s"])
    if distances:
        _echo(f"  from frame to frame: {distances}")
