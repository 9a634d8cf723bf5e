"""One list of commands behind three faces: the local command line, `ssh gate NOUN VERB`, and the console's `:` line."""
