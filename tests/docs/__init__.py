"""The README and the guides: what they show is what happens."""
