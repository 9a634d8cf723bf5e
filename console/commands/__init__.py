"""The verbs, a module a noun: thin, each one operation and how its answer reads."""
