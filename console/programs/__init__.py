"""The programs behind `wardgate init`, `serve`, `login`, `up` …: what is more than one operation of a gate."""
