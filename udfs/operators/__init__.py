"""Flink glue: one file per operator, named as its pure twin. State, timers and clients live here, decisions do not."""
