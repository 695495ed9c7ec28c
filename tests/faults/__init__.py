"""The fault matrix: the line under faults, kills and bad commits; `make faults` writes its table."""
