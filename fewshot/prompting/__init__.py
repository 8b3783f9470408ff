"""Templates, verbalizers and the library; from a text to token ids, without torch."""
