"""prompts → trajectories: asks the engine for groups of completions, streams each one out."""
