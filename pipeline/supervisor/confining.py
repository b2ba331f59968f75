"""What the sandbox of a run is: refused before the start where it must be more, and told in the report."""

from __future__ import annotations

from ..errors import EnvironmentRefusal, UsageError
from ..plan.confinement import free_because
from ..plan.model import Plan
from ..worker import sandbox


def check_sandbox(plan: Plan) -> None:
    """See that a sandbox that is required can be had.

    Raises:
        EnvironmentRefusal: the kernel lacks it.
        UsageError: a stage is not part of this program, so its workers would be free.
    """
    if plan.settings.sandbox != "require":
        return
    if not (sandbox.has_seccomp() and sandbox.landlock_abi()):
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


def sandboxed(plan: Plan) -> dict[str, str]:
    """What holds the workers of each group, in words."""
    if plan.settings.sandbox == "off":
        return {group.name: "none: it is switched off" for group in plan.groups}
    gives = sandbox.features() or "none: this system has neither seccomp nor Landlock"
    return {group.name: f"none: {why}" if (why := free_because(plan, group)) else gives for group in plan.groups}
