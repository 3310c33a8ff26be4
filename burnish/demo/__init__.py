"""`burnish demo`: a real job on one machine, from data to tuned model."""
