"""What outlives the process: checkpoints, the run record, and where a job begins."""
