"""The training step: programs that are data, batches, states, and running them."""
