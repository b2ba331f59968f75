"""The only code that starts, waits for and ends processes, and owns the arena.

execution       one run of a plan: checks, loop, report
intake          items as they are found, their output names claimed
claims          which input has which output name
discovery       finding and counting items in threads
fork_server     the process that workers are forked from, the parent's side
worker_process  one worker: start, write, read, fence
workers         all workers: started, watched against the clock, lost and replaced, ended
run_loop        records in, one pump of the pure core, records out
caller          a run whose writer is a loop of the caller
serial          the same plan in one process
report          what a run leaves behind
bottleneck      busy, starved, blocked; what limits the run
"""
