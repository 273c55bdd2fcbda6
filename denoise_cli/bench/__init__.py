"""Studies: the tables and figures of the papers and of the README, measured again by one command each."""
