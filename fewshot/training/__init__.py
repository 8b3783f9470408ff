"""The training loop, losses, rounds and checkpoints."""
