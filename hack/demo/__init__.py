"""`make demo`: from nothing to a served model on a real cluster, shown as it happens."""
