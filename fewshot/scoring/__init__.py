"""From hidden states to class scores."""
