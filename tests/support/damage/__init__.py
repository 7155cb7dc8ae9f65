"""One random damage of one file of real processes: what the files hold still arrives. No test itself."""
