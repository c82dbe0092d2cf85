"""What an update may reveal: clipping, noise and its accountant, secure aggregation. Nothing is here yet."""
