"""Many jobs on one base model, and many learners: whose turn, and whose job it is."""
