"""Config + registry -> Plan: the checked, resolved form of a config; and what `pipeline plan` explains of it.

model        Plan, GroupPlan, StagePlan: plain data, all that a worker is sent
planning     `build`: the steps from a Config to a Plan, and the checks over the whole
components   components found, their parameters checked, built once to be asked
placement    worker counts, core sets, queues, memory
machine      cores and memory that this process may use; pinning
chain        the transforms bound to a Spec: what each group hands on, how small a decoder may decode
explain      the plan for people
"""
