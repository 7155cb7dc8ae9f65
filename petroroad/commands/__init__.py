"""One module a command; `petroroad.cli` imports it only when it is called."""
