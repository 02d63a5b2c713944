"""The domain, pure: no PyFlink, no clock, no settings look-up. `udfs.operators` wraps these functions for Flink."""
