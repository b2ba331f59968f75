"""Path templates: what each field becomes, and that no name leads out of its folder."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline import Frame, Item, ItemError, Spec, Template, UsageError

ITEM = Item(3, "in/trip/a.b.JPG", "trip", "a.b.JPG")
FRAME = Frame(ITEM, 7, Spec(20, 30), np.zeros((20, 30, 3), np.uint8), pts=1500, row=2, column=11)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("out/{dir}/{stem}.png", "out/trip/a.b.png"),
        ("out/{name}", "out/a.b.JPG"),
        ("{stem}.{ext}", "a.b.JPG"),
        ("out/{stem}-{index}.png", "out/a.b-000007.png"),
        ("out/{pts}_{width}x{height}.png", "out/1500_30x20.png"),
        ("out/{hash}.png", "out/d1.png"),
        ("out/{row}_{column}.png", "out/002_011.png"),
        ("/srv/{dir}{stem}", "/srv/tripa.b"),
        ("fixed.png", "fixed.png"),
    ],
)
def test_every_field(text: str, path: str) -> None:
    """Each field is filled in from the item, or from the frame."""
    assert Template(text).render(ITEM, FRAME, "d1") == path


@pytest.mark.parametrize("field", ["row", "column"])
def test_a_frame_that_was_not_cut_has_no_place(field: str) -> None:
    """No name with an empty place is made up."""
    whole = Frame(ITEM, 0, Spec(20, 30), np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(ItemError, match=f"the frame has no {field}; use {{index}} in the path"):
        Template(f"out/{{{field}}}.png").render(ITEM, whole)


@pytest.mark.parametrize(
    ("text", "path"),
    [("out/{dir}/{stem}", "out/x"), ("/out//{dir}//x", "/out/x"), ("./{dir}/{stem}", "x"), ("{dir}/x", "x")],
    ids=str,
)
def test_empty_folders_fold_away(text: str, path: str) -> None:
    """At the top of the input `{dir}` is empty, and leaves no double slash."""
    assert Template(text).render(Item(0, "in/x.jpg", "", "x.jpg")) == path


@pytest.mark.parametrize(
    ("folder", "name"), [("..", "a"), ("a/../..", "b"), ("", ".."), ("", "."), ("", ""), ("a", "b\0c"), ("../b", "c")]
)
def test_no_name_leads_out_of_its_folder(folder: str, name: str) -> None:
    """What would climb, is empty or holds a NUL is refused for that item."""
    with pytest.raises(ItemError, match="would leave its folder"):
        Template("out/{dir}/{name}").render(Item(0, "x", folder, name))


def test_odd_names_stay_one_name() -> None:
    """Braces, percent signs, newlines and undecodable bytes in a name are only text."""
    for name in ("{dir}.jpg", "%s", "a\nb.png", "caf\udce9.jpg", "..a", "a..", ".hidden"):
        assert Template("out/{name}").render(Item(0, "x", "", name)) == f"out/{name}"


@pytest.mark.parametrize(
    ("name", "stem", "ext"),
    [("a.jpg", "a", "jpg"), ("a.tar.gz", "a.tar", "gz"), (".hidden", ".hidden", ""), ("plain", "plain", ""),
     ("a.", "a", "")],
)  # fmt: skip
def test_stem_and_extension(name: str, stem: str, ext: str) -> None:
    """The extension is what follows the last dot; a dot at the front begins none."""
    item = Item(0, name, "", name)
    assert (item.stem, item.ext) == (stem, ext)


@pytest.mark.parametrize(("text", "known"), [("o/{dir}/{stem}.{ext}", True), ("o/{name}{index}", False), ("o/x", True)])
def test_what_the_item_alone_decides(text: str, known: bool) -> None:
    """Names without a field of the frame are known before anything is read."""
    assert Template(text).known_at_intake is known


@pytest.mark.parametrize(
    ("text", "root", "format_"),
    [
        ("out/thumbs/{dir}/{stem}.JPG", "out/thumbs", "jpg"),
        ("{dir}/{stem}.png", ".", "png"),
        ("/{stem}", "/", ""),
        ("out/a-{stem}.jpg", "out", "jpg"),
        ("out/{name}.{ext}", "out", ""),
        ("a/b.png", "a", "png"),
        ("out.d/{stem}", "out.d", ""),
    ],
)
def test_root_and_format(text: str, root: str, format_: str) -> None:
    """The folder above every output, and the format that the extension names."""
    template = Template(text)
    assert (template.root, template.format) == (root, format_)


@pytest.mark.parametrize("text", ["{nme}", "a{", "b}", "{{stem}}", "{stem}}", "{}"])
def test_what_is_no_template(text: str) -> None:
    """Unknown fields and lonely braces are refused when the config is read."""
    with pytest.raises(UsageError):
        Template(text)


@pytest.mark.parametrize("text", ["out/{dir}/../{stem}.jpg", "{dir}/../x", "out/{stem}/..", "../{dir}/../x", "out/.."])
def test_no_template_leads_out_of_its_folder(text: str) -> None:
    """`..` behind a field is refused when the config is read; the folder itself may lie anywhere."""
    with pytest.raises(UsageError, match=r"leads out of its folder; `\.\.` may stand before a field"):
        Template(text)
    assert Template("../a/../out/{dir}/{stem}.jpg").render(Item(0, "x", "d", "x.png")) == "../a/../out/d/x.jpg"


def test_dots_that_fields_bring_together_lead_nowhere() -> None:
    """An empty field between two dots makes `..` of them: that item is refused, others are not."""
    template = Template("../out/.{ext}./{stem}.jpg")
    assert template.render(Item(0, "in/a.png", "", "a.png")) == "../out/.png./a.jpg"
    with pytest.raises(ItemError, match="would leave its folder"):
        template.render(Item(0, "in/a", "", "a"))
    with pytest.raises(ItemError, match="would leave its folder"):
        Template(".{ext}./{stem}.jpg").render(Item(0, "in/a", "", "a"))


def test_an_absolute_folder_of_an_item_stays_below_the_template() -> None:
    """A reader that names a folder from the root does not move the outputs there."""
    item = Item(0, "/srv/in/x.jpg", "/srv/in", "x.jpg")
    assert Template("{dir}/{stem}.png").render(item) == "srv/in/x.png"
    assert Template("out/{dir}/{stem}.png").render(item) == "out/srv/in/x.png"
