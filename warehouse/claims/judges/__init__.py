"""What judges a claim, by its kind: each module has a table of its kinds, which `verify` joins."""
