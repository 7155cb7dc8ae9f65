"""One module a command; `petroroad.__main__` imports it only when it is called."""
