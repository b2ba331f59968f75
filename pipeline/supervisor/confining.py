"""What the sandbox of a run is: refused before the start where it must be more, and told in the report."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import EnvironmentRefusal, UsageError
from ..plan.confinement import free_because
from ..plan.model import GroupPlan, Plan
from ..worker import sandbox


def check_sandbox(plan: Plan) -> None:
    """See that a sandbox that is required can be had.

    Raises:
        EnvironmentRefusal: the kernel lacks it.
        UsageError: a stage is not part of this program, so its workers would be free.
    """
    if plan.settings.sandbox != "require":
        return
    if sandbox.available() != sandbox.SECCOMP | sandbox.LANDLOCK_HOLDS:
        gives = sandbox.features() or "none of them"
        raise EnvironmentRefusal(
            "the sandbox that `sandbox: require` asks for cannot be had",
            limit=f"it needs seccomp and Landlock, and the kernel gives {gives}",
            remedy="`sandbox: auto` takes what there is",
        )
    for group in plan.groups:
        if why := free_because(plan, group):
            raise UsageError(
                f"the workers of {group.name} cannot be confined: {why}", limit="`sandbox: require`",
                remedy="say `sandbox: auto`, and the report tells which groups are free",
            )  # fmt: skip


def sandboxed(plan: Plan, held: Mapping[int, int]) -> dict[str, str]:
    """What holds the workers of each group, in words.

    Args:
        held: by the number of a group, bits of what its workers say that holds them; a group without is not there yet.
    """
    if plan.settings.sandbox == "off":
        return {group.name: "none: it is switched off" for group in plan.groups}
    return {group.name: _holds(plan, group, held.get(number)) for number, group in enumerate(plan.groups)}


def _holds(plan: Plan, group: GroupPlan, held: int | None) -> str:
    if why := free_because(plan, group):
        return f"none: {why}"
    gives = sandbox.available()
    if not gives:
        return "none: this system has neither seccomp nor Landlock"
    if held is None or held == gives:
        return sandbox.features()
    return f"{sandbox.features(held) or 'none'}; the system refused {sandbox.features(gives & ~held)}"
