"""What a file's name says of it, so that most files of a folder need not be opened to know."""

from __future__ import annotations

PICTURES = frozenset((
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "avif", "avifs", "gif", "tif", "tiff", "bmp", "dib", "ppm",
    "pgm", "pbm", "pnm", "heic", "heif", "hif", "jp2", "j2k", "jpf", "jpx", "psd", "ico", "tga", "pcx", "sgi", "qoi",
    "jxl", "dds", "blp", "cur", "icns", "dcx", "fli", "flc", "ftc", "ftu", "gbr", "msp", "pxr", "ras", "xbm", "xpm",
))  # fmt: skip
RAW = frozenset((  # of cameras
    "cr2", "cr3", "crw", "nef", "nrw", "arw", "srf", "sr2", "dng", "orf", "rw2", "raf", "pef", "srw", "x3f", "rwl",
    "iiq", "3fr", "erf", "kdc", "mrw",
))  # fmt: skip
UNREAD = frozenset((  # pictures of formats that no codec reads
    "jls", "psb", "exr", "hdr", "pfm", "pam", "svg", "svgz", "pdf", "eps", "ai", "xcf", "fits",
))  # fmt: skip
OTHERS = frozenset((
    "mov", "mp4", "m4v", "avi", "mkv", "webm", "mts", "m2ts", "mpg", "mpeg", "wmv", "3gp", "mp3", "wav", "flac",
    "m4a", "aac", "ogg", "aae", "xmp", "thm", "pp3", "dop", "lrcat", "lrdata", "txt", "md", "csv", "tsv", "json",
    "jsonl", "xml", "yaml", "yml", "html", "htm", "css", "js", "py", "sh", "ini", "cfg", "log", "db", "sqlite", "zip",
    "tar", "gz", "bz2", "xz", "zst", "7z", "rar", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "bak", "tmp", "part",
    "crdownload", "lnk", "url", "dat", "bin", "npy", "npz", "pt", "safetensors", "parquet",
))  # fmt: skip


def ending(path: str) -> str:
    """What stands behind the last dot of a file's name, in lower case; "" where there is none."""
    head, dot, tail = path.rpartition(".")
    return tail.lower() if dot and head and "/" not in tail else ""
