"""What must hold of an archive hour and its dead letters, as suites of Great Expectations, and how they are checked."""
