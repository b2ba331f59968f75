"""The only code that starts, waits for and ends processes, and owns the arena.

execution     one run of a plan: checks, loop, report
serial        the same plan in one process
caller        a run whose last worker is a loop of the caller
run_loop      records out, items in, one pump of the pure core a round
hearing       records in
workers       all workers: started, lost and replaced, ended
handle        one worker process: start, write, read, fence
fork_server   the process that workers are forked from, the parent's side
run_memory    the arena of a run, laid out
deadlines     what time does to a run
signals       Ctrl-C and SIGTERM
poller        waiting on descriptors
intake        items as they are found, their output names claimed
sampling      a stable part of the input
claims        which input has which output name
discovery     finding and counting items in threads
packing       the archives that members are packed into, once a run is through
reducing      the files that reducers make of all items, once a run is through
recorder      what comes of the items, into report and log
report        what a run leaves behind
bottleneck    busy, starved, blocked; what limits the run
"""
