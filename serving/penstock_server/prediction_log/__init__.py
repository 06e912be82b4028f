"""The prediction log: `serve` appends what it answered to a spool, `ship` brings the spool to the store.

    serve ── add ─► queue ─ writer thread ─► <folder>/<incarnation>/<n>.seg ─ ship ─► Parquet in the store
                        counters ◄──────────► <folder>/<incarnation>/counters ◄── what ship has stored

An incarnation is one run of one worker. It holds a lock on its counters for as long as it lives, which the
kernel lets go however it ends; that is how `ship` knows that nothing more will come.
"""
