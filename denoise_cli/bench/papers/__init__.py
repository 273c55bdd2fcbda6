"""One file a page: the tables and figures of a paper, made again. ``study.find`` turns a name into a page."""
