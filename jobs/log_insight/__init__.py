"""The job: raw logs in, one grounded alert out."""
