#!/bin/sh
#SBATCH --array=1-16
#SBATCH --cpus-per-task=8
# One shard of CONFIG for each task of an array:
#
#     job=$(sbatch --parsable slurm_array.sh CONFIG)
#     sbatch --dependency=afterany:"$job" --wrap "pipeline merge-reports reports/*.json"
#
# The folder that this is started in, the inputs and the outputs lie on a file system that all nodes see.
mkdir -p reports
pipeline run "$1" --shard auto --report "reports/$SLURM_ARRAY_TASK_ID.json" --quiet
code=$?
[ "$code" -eq 1 ] && exit 0 # this shard is complete; the report names the inputs that failed
exit "$code"
