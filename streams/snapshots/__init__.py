"""Names, manifests, and what may be thrown away; no I/O."""
