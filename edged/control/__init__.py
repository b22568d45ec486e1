"""Pure cores of the control loops: what to read next, what changed, which key is due. No I/O, no clock."""
