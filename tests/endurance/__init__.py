"""Endurance: many executions under kill -9, and a long day; each writes its figures into docs/endurance.md."""
