"""Whether what is said is unusual: what to expect, how unlikely the rest is, and the rules that call it out. Pure."""
