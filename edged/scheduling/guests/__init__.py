"""Scheduler plugins as WebAssembly guests: the ABI's encoding, calls, pools."""
