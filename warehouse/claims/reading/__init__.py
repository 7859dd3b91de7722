"""Reads the claims of one sentence, each module one side of them; `extract` joins sentences."""
