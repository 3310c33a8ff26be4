"""One learner whose base models are sharded over several processes, started by `torchrun`.

Rank 0 is the learner: the bus, the jobs, the adapters and their optimizers are its alone. The other
ranks hold their shards of each base model and do what rank 0 tells them to: one micro-batch each,
whose gradient they send back. So nothing of a job's state is anywhere but on rank 0, and a job
can move between learners of any number of ranks.

- `ranks`: who they are, and how they talk
- `commands`: what rank 0 says
- `shard`: a base model of which each rank holds a part
- `passes`: the part of a command that all ranks do in step
- `leader`, `follower`: the two sides
"""
