"""XMP sidecars beside pictures, through a whole run: copied on request, cleaned, and never over one that lies there."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import counts, plan_of
from PIL import Image

from pipeline.supervisor import serial
from pipeline.supervisor.report import Report

NOTES = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    ' xmlns:exif="http://ns.adobe.com/exif/1.0/" xmp:Rating="4" tiff:Orientation="6" exif:GPSLatitude="52,30.5N"/>'
    "</rdf:RDF></x:xmpmeta>"
)


def run(folder: Path, *keep: str) -> Report:
    writer = {"use": "files", "path": f"{folder}/out/{{dir}}/{{stem}}.jpg", "keep": keep, "overwrite": "always"}
    report = serial.run(plan_of(folder, {"use": "folder", "path": str(folder / "in")}, [], writer))
    assert counts(report)["done"] == 1, report.failures
    return report


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "in/deep/a.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (8, 6), "red").save(path)
    return path


@pytest.mark.parametrize(
    ("sidecar", "copy"), [("a.xmp", "a.xmp"), ("a.png.xmp", "a.jpg.xmp"), ("a.XMP", "a.xmp")],
)  # fmt: skip
def test_a_sidecar_is_copied_under_the_name_of_the_output(tmp_path: Path, photo: Path, sidecar: str, copy: str) -> None:
    """Of both customs; without what is wrong in another picture, and without the place where it was taken."""
    (photo.parent / sidecar).write_text(NOTES)
    run(tmp_path, "sidecar")
    written = (tmp_path / "out/deep" / copy).read_text()
    assert 'Rating="4"' in written
    assert "Orientation" not in written
    assert "GPS" not in written
    assert sorted(each.name for each in (tmp_path / "out/deep").iterdir()) == sorted(["a.jpg", copy])


def test_the_place_comes_where_it_is_asked_for(tmp_path: Path, photo: Path) -> None:
    photo.with_suffix(".xmp").write_text(NOTES)
    run(tmp_path, "sidecar", "gps")
    assert 'GPSLatitude="52,30.5N"' in (tmp_path / "out/deep/a.xmp").read_text()


def test_it_is_not_copied_unasked(tmp_path: Path, photo: Path) -> None:
    photo.with_suffix(".xmp").write_text(NOTES)
    run(tmp_path, "xmp")
    assert not (tmp_path / "out/deep/a.xmp").exists()


def test_one_that_lies_beside_the_output_is_left_alone(tmp_path: Path, photo: Path) -> None:
    """Somebody may have written into it since; it is said."""
    photo.with_suffix(".xmp").write_text(NOTES)
    run(tmp_path, "sidecar")
    (tmp_path / "out/deep/a.xmp").write_text("mine")
    report = run(tmp_path, "sidecar")
    assert (tmp_path / "out/deep/a.xmp").read_text() == "mine"
    assert any("sidecar was not copied" in remark.text for remark in report.remarks), report.remarks


@pytest.mark.parametrize("content", [b"", b"no XML", b"x" * (2 << 20)])
def test_what_is_no_sidecar_is_not_copied_and_said(tmp_path: Path, photo: Path, content: bytes) -> None:
    """The picture itself comes out all the same; of an empty one there is nothing to say."""
    photo.with_suffix(".xmp").write_bytes(content)
    report = run(tmp_path, "sidecar")
    assert not (tmp_path / "out/deep/a.xmp").exists()
    assert bool(report.remarks) == bool(content), report.remarks
