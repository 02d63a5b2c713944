"""The functions behind the `cali` command, a file for each subject."""
