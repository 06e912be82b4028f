"""One module per step kind: what users write below it, and what it takes and gives."""
