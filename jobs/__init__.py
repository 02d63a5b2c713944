"""The Flink job and the `cali` command."""
