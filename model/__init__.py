"""The values that all rooms speak: ids, keys, records, NetMaps, changes, errors. Imports nothing of ours."""
