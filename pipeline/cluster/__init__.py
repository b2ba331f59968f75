"""Several machines: what a run needs to know to be one of many, and how what they did becomes one answer.

shard_address    which shard a command is asked for, also by the array or job that it is a task of
merged_reports   the reports of all shards as one
merged_results   what archives and reducers make of all shards together
"""
