"""What a process of a lane may be forked for."""

from enum import IntEnum


class Role(IntEnum):
    """The task of one forked process."""

    REWARD = 1
    """The evaluation itself: a reward function, a grader, or the grader of kernels."""
    RUN = 2
    """A program that a reward wants to have run, and judges by its output alone."""
    CANDIDATE = 3
    """A model-written kernel, under Triton's interpreter or on a GPU."""
    COMPILER = 4
    """Compiles kernels ahead of time to a GPU binary."""
    STANDBY = 5
    """A candidate that has no job yet; becomes one when it is handed one."""
