"""The photographs the corpus is cut from: where they lie in which Debian package, and how rich in detail they are.

Only photographs are listed (the packages also hold drawings and renderings, which compress and decode differently).
`detail` says how often a photograph is used for the 12-megapixel files: in proportion, so that these average about
2 MB at quality 90 as a camera's do; smooth ones (0) are used for the small files only.
"""

from __future__ import annotations

from dataclasses import dataclass

PACKAGES = ("lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04", "mate-backgrounds", "plasma-workspace-wallpapers")


@dataclass(frozen=True, slots=True)
class Photo:
    """One source photograph: `path` is relative to the unpacked `package`."""

    package: str
    path: str
    detail: int


def _lomiri(release: str, name: str, detail: int = 0) -> Photo:
    return Photo(f"lomiri-wallpapers-{release}", f"usr/share/backgrounds/{name}.jpg", detail)


def _mate(name: str, detail: int = 0) -> Photo:
    return Photo("mate-backgrounds", f"usr/share/backgrounds/mate/nature/{name}.jpg", detail)


def _plasma(name: str, detail: int = 0) -> Photo:
    path = f"usr/share/wallpapers/{name}/contents/images/2560x1600.jpg"
    return Photo("plasma-workspace-wallpapers", path, detail)


PHOTOS = (
    _lomiri("16.04", "Bridge_by_Sander_Klootwijk"),
    _lomiri("16.04", "Dragonfly_by_Bolly", 2),
    _lomiri("16.04", "Picture_0B_by_freespace", 2),
    _lomiri("16.04", "Picture_1A_by_freespace", 2),
    _lomiri("16.04", "Wine_by_Jakkub_Mede"),
    _lomiri("16.04", "aitzgorri_by_Aitzol_Berasategi", 3),
    _lomiri("16.04", "free_by_Peter_Nerlich"),
    _lomiri("16.04", "friends_by_Aitzol_Berasategi"),
    _lomiri("16.04", "greentock_by_Peter_Nerlich"),
    _lomiri("16.04", "life_by_Aitzol_Berasategi", 3),
    _lomiri("16.04", "picosdeeuropa_by_Aitzol_Berasategi", 3),
    _lomiri("16.04", "seeding_by_Clements_Engelhardt", 2),
    _lomiri("16.04", "sunset_by_Aitzol_Berasategi", 1),
    _lomiri("20.04", "Kleiber_by_Lukas_Baubkus", 3),
    _mate("Aqua"),
    _mate("Blinds", 2),
    _mate("Dune", 1),
    _mate("FreshFlower"),
    _mate("Garden"),
    _mate("GreenMeadow"),
    _mate("LadyBird"),
    _mate("RainDrops"),
    _mate("Storm"),
    _mate("TwoWings"),
    _mate("Wood"),
    _mate("YellowFlower"),
    _plasma("BytheWater", 2),
    _plasma("ColdRipple"),
    _plasma("ColorfulCups", 1),
    _plasma("DarkestHour"),
    _plasma("EveningGlow", 3),
    _plasma("FallenLeaf"),
    _plasma("Kite"),
    _plasma("OneStandsOut", 3),
    _plasma("Path", 3),
    _plasma("summer_1am"),
)
