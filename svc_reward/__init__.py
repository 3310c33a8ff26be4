"""Trajectories → scores: runs user reward functions in the sandbox."""
