"""The pure core: events in, records and orders out. It knows no time, pipe or pid.

ownership   who holds what: items, units, workers, groups, lanes
admission   memory: who gets a region, and when
pace        how long records may lie
lending     the state of a run; answers to workers that ask for memory
handout     which frame goes to which worker, which item begins
flow        events of an undisturbed run, and how frames and items end
recovery    errors, lost workers, retries, streams that start over
verdicts    the ledger and the failure budget
"""

from .recovery import Scheduler
from .state import Entry, Halt, Kill, Outcome, Start, Unit, Worker

__all__ = ["Entry", "Halt", "Kill", "Outcome", "Scheduler", "Start", "Unit", "Worker"]
