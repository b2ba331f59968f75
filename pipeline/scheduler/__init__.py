"""The pure core: events in, records and orders out. It knows no time, pipe or pid.

The supervisor owns it, in the parent.

core        the facade: all that the supervisor calls
state       what is true of a run now; entities: items, units, workers, groups, lanes
queues      bounded queues, as completed or in the order of the input
commands    what the supervisor is to carry out
memory      who gets a region, and when
answers     what workers that ask are told
dispatch    which frame goes to which worker, which item begins
lifecycle   the events of an undisturbed run
endings     how units and items end
recovery    errors, lost workers, retries, streams that start over
wake_ups    how long records may lie
budget      the ledger and the failure budget; the serial run counts with it too
"""

from .budget import Budget
from .commands import Halt, Kill, Outcome, Start
from .core import Scheduler
from .entities import Entry, Group, Unit, Worker

__all__ = ["Budget", "Entry", "Group", "Halt", "Kill", "Outcome", "Scheduler", "Start", "Unit", "Worker"]
