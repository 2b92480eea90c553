"""Where posts come from, a file per network: ``fetch`` does the I/O, ``parse`` is pure."""
